"""The service: stored models behind HTTP, on BentoML.

zoo serve                                  every stored model on http://127.0.0.1:3000
bentoml serve serving.service:ZooService   the same, from a checkout
"""
