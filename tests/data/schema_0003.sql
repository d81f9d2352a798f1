-- A database of schema 0003 with three runs: gated and stopped, static, and one of a variant of a sweep.
BEGIN TRANSACTION;
CREATE TABLE alembic_version (
    version_num VARCHAR(32) NOT NULL,
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0003');
CREATE TABLE checkpoints (
    id INTEGER NOT NULL,
    run_id INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    file TEXT NOT NULL,
    sha256 VARCHAR(64) NOT NULL,
    size INTEGER NOT NULL,
    created DATETIME NOT NULL,
    CONSTRAINT pk_checkpoints PRIMARY KEY (id),
    CONSTRAINT fk_checkpoints_run_id FOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE CASCADE
);
INSERT INTO "checkpoints" VALUES(1,1,1,'1/epoch-0001.safetensors','2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881',1,'2026-03-01 12:52:25.692995');
INSERT INTO "checkpoints" VALUES(2,1,2,'1/epoch-0002.safetensors','2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881',1,'2026-03-01 12:52:25.722147');
CREATE TABLE points (
    run_id INTEGER NOT NULL,
    name VARCHAR(100) NOT NULL,
    epoch DOUBLE NOT NULL,
    value DOUBLE,
    CONSTRAINT pk_points PRIMARY KEY (run_id, name, epoch),
    CONSTRAINT fk_points_run_id FOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE CASCADE
);
INSERT INTO "points" VALUES(1,'train taught loss',1.0,1.5);
INSERT INTO "points" VALUES(1,'train distilled loss',1.0,1.0);
INSERT INTO "points" VALUES(1,'train self-distillation loss',2.0,0.7);
INSERT INTO "points" VALUES(1,'val accuracy at λ=0.5',1.0,0.81);
INSERT INTO "points" VALUES(1,'train taught loss',2.0,0.75);
INSERT INTO "points" VALUES(1,'train distilled loss',2.0,0.5);
INSERT INTO "points" VALUES(1,'val accuracy at λ=0.5',2.0,0.82);
INSERT INTO "points" VALUES(2,'train class loss',0.5,2.0);
INSERT INTO "points" VALUES(3,'train beside loss',1.0,0.75);
INSERT INTO "points" VALUES(3,'train full network loss',1.0,NULL);
CREATE TABLE runs (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    name VARCHAR(200) NOT NULL,
    status VARCHAR(20) NOT NULL,
    reference BOOLEAN NOT NULL,
    architecture VARCHAR(100) NOT NULL,
    dataset VARCHAR(100) NOT NULL,
    method VARCHAR(100) NOT NULL,
    lam DOUBLE,
    seed INTEGER NOT NULL,
    config JSON NOT NULL,
    image JSON,
    classes JSON,
    epoch DOUBLE NOT NULL,
    epochs INTEGER NOT NULL,
    created DATETIME NOT NULL,
    started DATETIME,
    finished DATETIME,
    heartbeat DATETIME,
    pid INTEGER,
    host VARCHAR(255),
    stop_requested BOOLEAN NOT NULL,
    error TEXT,
    figures JSON NOT NULL,
    notes TEXT NOT NULL,
    tags JSON NOT NULL,
    deleted DATETIME,
    sweep VARCHAR(200), seconds DOUBLE DEFAULT 0 NOT NULL, machine VARCHAR(255), variant VARCHAR(200));
INSERT INTO "runs" VALUES(1,'gated','stopped',0,'cascade','digits','d2nn',NULL,0,
'{"architecture": {"name": "cascade", "trunk": [8, 16, 32, 64], "head": [8, 16, 32, 64], "depth": 1, "controller_sees": "answer"}, "dataset": {"name": "digits", "seed": 0}, "method": {"name": "d2nn", "refreshed": 4, "distilled": 0.0, "teacher": "", "metric": "accuracy", "efficiency": "macs", "bag": 1, "exchange_rate": 0.1, "calibrate": true, "early": 0.25, "taught": 0.5, "mixing": 0.0, "explore": 0.1, "settle": 0.6, "last_epsilon": 0.05, "held_out": 0.1, "refit": true, "episodes": 0.2, "full_path": 0.5}, "lam": null, "training": {"epochs": 2, "batch_size": 64, "optimizer": "adamw", "learning_rate": 0.002, "control_rate": 1.0, "weight_decay": 0.01, "seed": 0, "settled": 0.25, "start": "", "precision": "float32", "stored": "float16"}}',
'[1, 8, 8]','["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]',2.0,2,'2026-03-01 12:52:25.648797','2026-03-01 12:52:25.658829','2026-03-01 12:52:25.731181','2026-03-01 12:52:25.658835',4711,'a computer',0,NULL,'{}','','[]',NULL,NULL,6.0,'x86_64, 2 cores',NULL);
INSERT INTO "runs" VALUES(2,'static','queued',0,'plain','digits','static',NULL,0,
'{"architecture": {"name": "plain", "widths": [16, 32, 64]}, "dataset": {"name": "digits", "seed": 0}, "method": {"name": "static", "refreshed": 0, "distilled": 0.0, "teacher": "", "route": [], "held_out": 0.1}, "lam": null, "training": {"epochs": 2, "batch_size": 64, "optimizer": "adamw", "learning_rate": 0.002, "control_rate": 1.0, "weight_decay": 0.01, "seed": 0, "settled": 0.0, "start": "", "precision": "float32", "stored": "float32"}}',
NULL,NULL,0.5,2,'2026-03-01 12:52:25.739743',NULL,NULL,NULL,NULL,NULL,0,NULL,'{}','','[]',NULL,NULL,0.0,NULL,NULL);
INSERT INTO "runs" VALUES(3,'friday/wide/0.5/1','queued',0,'lc_resnet','digits','lcnet',0.5,1,
'{"architecture": {"name": "lc_resnet", "depth": 8, "images": "cifar", "width": 0, "widths": [], "layers": true, "channels": true, "gates_of": "block", "hidden": 16, "least_scale": 0.25, "layer_rate": 0.5}, "dataset": {"name": "digits", "seed": 0}, "method": {"name": "lcnet", "refreshed": 16, "distilled": 0.0, "teacher": "", "least": 0.2, "penalty": 10.0, "groups": 2, "anneal": 0.1, "beside": 1.0, "gates": "image"}, "lam": 0.5, "training": {"epochs": 2, "batch_size": 64, "optimizer": "adamw", "learning_rate": 0.002, "control_rate": 1.0, "weight_decay": 0.01, "seed": 1, "settled": 0.0, "start": "", "precision": "float32", "stored": "float32"}}',
NULL,NULL,1.0,2,'2026-03-01 12:52:25.792072',NULL,NULL,NULL,NULL,NULL,0,NULL,'{}','','[]',NULL,'friday',0.0,NULL,'wide');
CREATE UNIQUE INDEX ix_runs_name ON runs (name) WHERE deleted IS NULL;
CREATE INDEX ix_checkpoints_run_id ON checkpoints (run_id);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('runs',3);
COMMIT;
