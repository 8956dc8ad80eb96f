"""OpenRLHF-M and LMM-R1: JSONL whose `message` is a conversation as a JSON string, and our reward as file or server.

From TideDra/lmm-r1 (f917f18) and OpenRLHF/OpenRLHF-M (2bf6337): `openrlhf/datasets/prompts_dataset.py` takes
`data[input_key]` as it is, and `models/lmm_kits/base/data_processor.py` parses it and loads images with `qwen_vl_utils`
from addresses: here `data:` with the image in it, as a path would be absolute. `--label_key ground_truth` gives our reward
all it needs; `answer` is the gold as `$…$` for their own verifier, which pays 1.0 for a gold that it cannot read. Both read
`--remote_rm_url`: LMM-R1 a file with `reward_func`, which returns a tensor; OpenRLHF-M a server, which the same file is when
it is run.
"""

import json
from typing import Any

from pipelines.export.conversation import data_uri, pieces
from pipelines.export.image_tokens import check_marks, escape
from pipelines.export.rows import Row
from pipelines.export.sheet import Draft, Exporter, Reward, gradable, ground_truth, rl_sheets

REWARD = '''

def reward_func(queries, prompts, labels, **kwargs):
    """LMM-R1: a tensor of one score in [0, 1] a query; `labels` are the column `ground_truth`."""
    import torch

    return torch.tensor(_verifier().openrlhf(queries, labels, FORMAT_WEIGHT)["rewards"], dtype=torch.float32)


def serve(port):
    """OpenRLHF-M: answers POST /get_reward of {query, prompts, labels} with {rewards, …}, until it is stopped."""
    import json
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            reply = json.dumps(_verifier().openrlhf(asked["query"], asked["labels"], FORMAT_WEIGHT)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, *what):
            pass

    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        sys.stdout.write(f"http://127.0.0.1:{server.server_port}/get_reward\\n")
        sys.stdout.flush()
        server.serve_forever()


if __name__ == "__main__":
    serve(int(sys.argv[1]) if len(sys.argv) > 1 else 5000)
'''


def rl(row: Row, draft: Draft) -> dict[str, Any]:
    """A conversation in a string, and its gold."""
    gradable(row)
    check_marks(0, escape(row.question))  # images are parts here: no text may hold a mark
    parts = [
        {"type": "text", "text": piece} if isinstance(piece, str) else {"type": "image", "image": data_uri(piece)}
        for piece in pieces(row)
    ]
    message: list[dict[str, Any]] = [{"role": "system", "content": escape(row.system)}] if row.system else []
    message.append({"role": "user", "content": parts})
    return {
        "datasource": row.columns["dataset"],
        "message": json.dumps(message, ensure_ascii=False),
        "answer": row.columns["solution"],
        "ground_truth": ground_truth(row),
    }


OPENRLHF_M = Exporter(
    name="openrlhf_m",
    project="https://github.com/OpenRLHF/OpenRLHF-M and https://github.com/TideDra/lmm-r1",
    sheets=rl_sheets(rl),
    reward=Reward("reward_func.py", REWARD),
    keeps_order="OpenRLHF-M and LMM-R1 shuffle prompts and have no switch for it, so the order is lost in training.",
    usage="""
```
python -m openrlhf.cli.train_ppo_ray --prompt_data FILE --input_key message --label_key ground_truth \\
  --remote_rm_url reward_func.py ...                               # LMM-R1
python reward_func.py 5000 &                                       # OpenRLHF-M: the same reward as a server
python -m openrlhf.cli.train_ppo_ray ... --remote_rm_url http://127.0.0.1:5000/get_reward
```

`FILE` is that of a dataset below. Not `--apply_chat_template`: messages with images are processed inside.
""",
)
