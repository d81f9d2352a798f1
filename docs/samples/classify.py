from core import load, predict

model = load("reference/cascade-digits")
answer = predict(model, "digit.png", lam=0.4)
print(answer.label, answer.executed, answer.macs / answer.macs_static)
