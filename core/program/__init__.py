"""A network as one ONNX program, in which what is skipped is not computed."""
