"""The same model behind LitServe, on the runtime that this project's server takes.

    python -m benchmarks.litserve_service resnet20.fashion_mnist 32 8000

So what differs is the server. It has the queue that LitServe's guide advises for hundreds of
requests a second. With more than one request a call it waits for company, 5 ms at most: told to
wait for nobody, its worker asks an empty queue all the time, and takes a core from the model.
"""

import sys
from typing import Any

import litserve
import numpy as np

import zoo
from benchmarks.bodies import packed, unpacked

_COMPANY_SECONDS = 0.005


class Rows(litserve.LitAPI):
    """Answers the rows of several requests by one call of the model.

    Args:
        model: Name of the model.
        largest: Requests in a call.
    """

    def __init__(self, model: str, largest: int) -> None:
        wait = _COMPANY_SECONDS if largest > 1 else 0.0
        super().__init__(max_batch_size=largest, batch_timeout=wait)
        self.model = model

    def setup(self, device: str) -> None:
        self.pipeline = zoo.load(self.model, runtime="auto")
        self.pipeline.warm((1, 8, 32))

    # LitServe reads these annotations: a Request, of whose JSON it calls the method, and a
    # Response, for which it checks nothing. They are objects, so nothing here puts them off.
    def decode_request(self, request: litserve.Request) -> np.ndarray:
        return unpacked(request)

    def encode_response(self, output: np.ndarray) -> litserve.Response:
        return packed(output)

    def batch(self, inputs: list[np.ndarray]) -> list[np.ndarray]:
        # Requests have one row or many, so there is nothing to stack.
        return inputs

    def predict(self, inputs: Any) -> Any:
        if isinstance(inputs, np.ndarray):
            return self.pipeline.run(inputs)
        answers = self.pipeline.run(np.concatenate(inputs))
        return np.split(answers, np.cumsum([len(rows) for rows in inputs])[:-1])

    def unbatch(self, output: list[np.ndarray]) -> list[np.ndarray]:
        return output


if __name__ == "__main__":
    model, largest, port = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    server = litserve.LitServer(Rows(model, largest), accelerator="cpu", fast_queue=True)
    server.run(host="127.0.0.1", port=port, generate_client_file=False, log_level="warning")
