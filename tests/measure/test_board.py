"""The shared board: exact sums over workers, whatever happens to one of them."""

import os

from farthing.config import Config
from farthing.measure.board import Board, width
from farthing.measure.names import CACHE, IN_FLIGHT, LATENCY, OTHER, REFUSED
from farthing.measure.prometheus import Metrics


def test_sums_over_seats() -> None:
    board = Board(2)
    for number, count in ((0, 3), (1, 4)):
        seat = board.seat(number)
        seat.cells[seat.start(CACHE, ("exact",))] += count
    board.seat(1)
    assert board.totals() == {("farthing_cache", ("exact",)): [7]}


def test_rows_are_apart() -> None:
    seat = Board().seat(0)
    latency, exact, miss = seat.start(LATENCY, ("cheap", "no")), seat.start(CACHE, ("exact",)), seat.start(CACHE, ("miss",))
    assert len({latency, exact, miss}) == 3
    assert exact - latency == width(LATENCY) == len(LATENCY.buckets) + 2
    assert seat.start(CACHE, ("exact",)) == exact


def test_a_successor_counts_on_and_drops_the_gauges() -> None:
    board = Board()
    seat = board.seat(0)
    seat.cells[seat.start(CACHE, ("exact",))] += 5
    seat.cells[seat.start(IN_FLIGHT, ())] = 9
    again = board.seat(0)
    again.cells[again.start(CACHE, ("exact",))] += 1
    assert board.totals() == {("farthing_cache", ("exact",)): [6], ("farthing_in_flight", ()): [0]}


def test_forked_workers_count_on_one_board() -> None:
    board, children = Board(3), list[int]()
    for number in range(3):
        if (pid := os.fork()) == 0:
            seat = board.seat(number)
            cell = seat.start(CACHE, ("miss",))
            for _ in range(1000):
                seat.cells[cell] += 1
            os._exit(0)
        children.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0, 0, 0]
    assert board.totals() == {("farthing_cache", ("miss",)): [3000]}


def test_a_full_seat_counts_the_rest_together() -> None:
    board, rows = Board(), 25_000
    seat = board.seat(0)
    for number in range(rows):
        seat.cells[seat.start(REFUSED, ("chat", f"code-of-some-length-{number}"))] += 1
    totals = board.totals()
    assert len(totals) < rows
    assert totals["farthing_refused", (OTHER, OTHER)][0] == rows - len(totals) + 1
    assert sum(cells[0] for cells in totals.values()) == rows


def test_a_cell_that_all_workers_begin_with_is_added_up() -> None:
    board = Board(3)
    workers = [Metrics(Config(), board, number) for number in range(3)]
    for count, worker in enumerate(workers, 1):
        worker.in_flight(count)
    assert [worker.in_flight_everywhere() for worker in workers] == [6, 6, 6]
    again = Metrics(Config(), board, 2)  # its predecessor died with three in flight
    assert again.in_flight_everywhere() == 3
