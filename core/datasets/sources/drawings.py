"""Simple drawings of animals and vehicles, for classes of which no photograph comes with the packages.

Each is a background, from the colour at its top to that at its bottom, and shapes on it: polygons (more than two corners) and ellipses
(two corners of the box around it), on a canvas of 64×64 units.
"""

import numpy as np
from PIL import Image, ImageDraw

UNITS = 64  # of the canvas's side
PIXELS = 4  # per unit
Colour = tuple[int, int, int]
Shape = tuple[Colour, tuple[float, ...]]  # colour; x and y of each corner

SKY, HAZE, SEA, GRASS, ROAD = (90, 150, 215), (205, 222, 235), (40, 80, 120), (90, 125, 60), (120, 120, 118)
BLACK, WHITE, GLASS = (22, 22, 24), (240, 240, 240), (60, 75, 90)

DRAWINGS: dict[str, tuple[Colour, Colour, tuple[Shape, ...]]] = {
    "an airplane": (
        SKY,
        HAZE,
        (
            ((190, 195, 205), (8, 22, 14, 22, 22, 31, 12, 31)),  # fin
            ((235, 238, 242), (8, 28, 58, 38)),  # fuselage
            ((150, 155, 165), (30, 34, 40, 34, 26, 50, 20, 50)),  # near wing
            ((200, 204, 210), (32, 30, 38, 30, 30, 20, 26, 20)),  # far wing
            (GLASS, (50, 30, 55, 33)),
        ),
    ),
    "an automobile": (
        (170, 175, 180),
        ROAD,
        (
            ((180, 25, 30), (16, 30, 24, 20, 42, 20, 50, 30)),  # roof
            (GLASS, (19, 30, 25, 22, 32, 22, 32, 30)),
            (GLASS, (34, 30, 34, 22, 41, 22, 47, 30)),
            ((200, 30, 35), (6, 30, 52, 30, 59, 34, 59, 43, 5, 43)),  # body
            (BLACK, (11, 37, 22, 48)),
            (BLACK, (42, 37, 53, 48)),
            ((170, 170, 175), (14, 40, 19, 45)),
            ((170, 170, 175), (45, 40, 50, 45)),
        ),
    ),
    "a bird": (
        (150, 175, 120),
        (120, 150, 90),
        (
            ((110, 80, 55), (0, 50, 64, 46, 64, 50, 0, 54)),  # branch
            ((95, 70, 50), (6, 40, 24, 32, 24, 38, 8, 46)),  # tail
            ((150, 95, 60), (18, 22, 46, 46)),  # body
            ((200, 120, 70), (28, 28, 46, 46)),  # breast
            ((105, 75, 55), (18, 27, 36, 40)),  # wing
            ((140, 90, 60), (36, 14, 50, 28)),  # head
            (BLACK, (43, 18, 46, 21)),
            ((60, 55, 50), (49, 20, 57, 22, 49, 24)),  # beak
            (BLACK, (32, 45, 33, 45, 33, 50, 32, 50)),
            (BLACK, (37, 45, 38, 45, 38, 50, 37, 50)),
        ),
    ),
    "a deer": (
        (120, 140, 80),
        (140, 135, 75),
        (
            ((120, 80, 45), (14, 28, 44, 42)),  # body
            ((120, 80, 45), (36, 32, 46, 14, 51, 16, 46, 36)),  # neck
            ((115, 75, 42), (43, 11, 57, 19)),  # head
            ((115, 75, 42), (43, 13, 39, 8, 46, 11)),  # ear
            ((90, 65, 45), (46, 12, 43, 2, 45, 2, 47, 7, 51, 1, 53, 2, 49, 12)),  # antlers
            ((105, 70, 40), (16, 38, 20, 38, 19, 58, 17, 58)),
            ((105, 70, 40), (22, 38, 25, 38, 25, 58, 23, 58)),
            ((105, 70, 40), (36, 38, 39, 38, 39, 58, 37, 58)),
            ((105, 70, 40), (41, 37, 44, 37, 43, 58, 41, 58)),
            (WHITE, (12, 30, 17, 37)),  # tail
            (BLACK, (50, 13, 52, 15)),
        ),
    ),
    "a dog": (
        (120, 130, 100),
        (150, 140, 110),
        (
            ((160, 110, 60), (16, 34, 48, 70)),  # chest
            ((175, 120, 65), (16, 10, 48, 46)),  # head
            ((95, 60, 35), (10, 12, 22, 36)),  # ears
            ((95, 60, 35), (42, 12, 54, 36)),
            ((225, 205, 180), (23, 28, 41, 47)),  # muzzle
            (BLACK, (28, 29, 36, 35)),  # nose
            (BLACK, (22, 21, 27, 26)),
            (BLACK, (37, 21, 42, 26)),
            ((120, 40, 45), (30, 38, 34, 44)),
        ),
    ),
    "a frog": (
        (110, 90, 60),
        (90, 75, 50),
        (
            ((70, 130, 45), (4, 38, 26, 58)),  # legs
            ((70, 130, 45), (38, 38, 60, 58)),
            ((90, 155, 55), (12, 20, 52, 56)),  # body
            ((90, 155, 55), (14, 12, 28, 28)),  # eyes
            ((90, 155, 55), (36, 12, 50, 28)),
            (BLACK, (18, 15, 25, 23)),
            (BLACK, (39, 15, 46, 23)),
            ((190, 200, 130), (20, 40, 44, 54)),  # throat
        ),
    ),
    "a ship": (
        HAZE,
        (190, 210, 225),
        (
            (SEA, (0, 44, 64, 44, 64, 64, 0, 64)),
            (WHITE, (18, 24, 44, 24, 44, 38, 18, 38)),
            ((200, 60, 40), (26, 14, 34, 14, 34, 24, 26, 24)),  # funnel
            ((40, 45, 60), (4, 36, 60, 36, 54, 48, 10, 48)),  # hull
            ((150, 40, 35), (9, 46, 55, 46, 54, 48, 10, 48)),
        ),
    ),
    "a truck": (
        SKY,
        HAZE,
        (
            (ROAD, (0, 46, 64, 46, 64, 64, 0, 64)),
            ((225, 225, 220), (4, 14, 40, 14, 40, 44, 4, 44)),  # box
            ((190, 40, 35), (41, 22, 54, 22, 60, 34, 60, 46, 41, 46)),  # cab
            (GLASS, (44, 25, 52, 25, 56, 34, 44, 34)),
            (BLACK, (8, 42, 20, 54)),
            (BLACK, (44, 42, 56, 54)),
        ),
    ),
}


def draw(subject: str) -> Image.Image:
    """Return the drawing of a subject, 256×256 pixels."""
    top, bottom, shapes = DRAWINGS[subject]
    side = UNITS * PIXELS
    share = np.linspace(0, 1, side)[:, None, None]
    background = (1 - share) * np.array(top) + share * np.array(bottom) + np.zeros((side, side, 1))
    picture = Image.fromarray(background.astype(np.uint8))
    pen = ImageDraw.Draw(picture)
    for colour, corners in shapes:
        scaled = [PIXELS * corner for corner in corners]
        (pen.ellipse if len(corners) == 4 else pen.polygon)(scaled, fill=colour)
    return picture
