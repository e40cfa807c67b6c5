"""An engine that obeys: `python tests/fakes/engine.py PORT FOLDER`, with orders in files of the folder.

`orders`: lines `die STATUS WORDS` (at start), `mute` (its health page says 503), `stubborn` (SIGTERM does nothing), `parent` (it starts
a process of its own, which holds its output open); a line is used up by one start.
`running`: how many requests its metrics page claims. It appends what it is asked to `asked`, and `end` when it ends.
"""

import signal
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PORT, FOLDER = int(sys.argv[1]), Path(sys.argv[2])


def order() -> list[str]:
    file = FOLDER / "orders"
    lines = file.read_text().splitlines() if file.exists() else []
    file.write_text("\n".join(lines[1:]))
    return lines[0].split(maxsplit=2) if lines and lines[0] else ["serve"]


def note(words: str) -> None:
    with (FOLDER / "asked").open("a") as file:
        file.write(words + "\n")


class Handler(BaseHTTPRequestHandler):
    mute = False

    def do_GET(self) -> None:
        if self.path == "/metrics":
            running = FOLDER / "running"
            self._answer(200, f"# HELP x y\nfake:running {running.read_text() if running.exists() else 0}\n")
        else:
            self._answer(503 if self.mute else 200, '{"status": "ok"}')

    def do_POST(self) -> None:
        note(self.rfile.read(int(self.headers["content-length"])).decode())
        self._answer(200, "{}")

    def _answer(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        pass


def end(*_: object) -> None:
    note("end")
    sys.exit(0)


def main() -> None:
    told = order()
    if told[0] == "die":
        print(f"error: {told[2]}", file=sys.stderr)
        sys.exit(int(told[1]))
    if told[0] == "parent":
        note(f"child {subprocess.Popen(['sleep', '600']).pid}")
    Handler.mute = told[0] == "mute"
    signal.signal(signal.SIGTERM, signal.SIG_IGN if told[0] == "stubborn" else end)
    ThreadingHTTPServer(("127.0.0.1", PORT), Handler).serve_forever()


if __name__ == "__main__":
    main()
