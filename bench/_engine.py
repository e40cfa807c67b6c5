"""A model server with a knee, for benchmarks: so many slots, each answer slower the more run beside it, the rest waits in line.

python bench/_engine.py PORT SLOTS BASE_MS SLOWER   (each further answer in flight makes all slower by the share SLOWER)
"""

import asyncio
import json
import sys

_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"


class Engine:
    """`served` counts answers by the word that their question begins with."""

    def __init__(self, slots: int, base_s: float, slower: float) -> None:
        self._seats = asyncio.Semaphore(slots)
        self._base_s, self._slower = base_s, slower
        self._running = 0
        self.asked = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                size = next((int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
                await reader.readexactly(size)
                if head.startswith(b"GET"):
                    body = json.dumps({"asked": self.asked, "running": self._running}).encode()
                else:
                    body = await self._answer()
                writer.write(_HEAD % len(body) + body)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def _answer(self) -> bytes:
        self.asked += 1
        async with self._seats:
            self._running += 1
            try:
                await asyncio.sleep(self._base_s * (1 + self._slower * (self._running - 1)))
            finally:
                self._running -= 1
        message = {"role": "assistant", "content": "A short answer."}
        usage = {"prompt_tokens": 40, "completion_tokens": 32, "total_tokens": 72}
        choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
        return json.dumps(
            {"id": f"c{self.asked}", "object": "chat.completion", "created": 0, "model": "m", "choices": choices, "usage": usage}
        ).encode()


async def main() -> None:
    port, slots, base_ms, slower = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])
    server = await asyncio.start_server(Engine(slots, base_ms / 1000, slower).serve, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
