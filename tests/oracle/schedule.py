#!/usr/bin/env python3
"""Says when each step of each schedule goes out, without knowing how liaison works it out.

Reads one JSON object per line from standard input and writes one line of space-separated microseconds (or `never`) for each;
an empty line is answered with an empty line at once. Standard library only. What it shares with the program it judges: the
case, the machine's time zone files, and the plain dates of holidays.txt.

Whether an instant is open is looked up minute by minute: for each day of UTC and each opening there is a set of 1,440 minutes,
each of which is open if the clock of the zone shows an open minute then. Offsets of a day come from asking zoneinfo at each hour,
and at each minute of an hour in which they differ. Now and then (LITERAL) an answer is judged again with nothing but
zoneinfo, one minute after the other.
"""
import json
import os
import sys
from datetime import date, datetime, timedelta, timezone
from functools import lru_cache
from heapq import merge
from zoneinfo import ZoneInfo

DAY = 1440
SEARCH_DAYS = 400
LITERAL = 1000
MICRO = 1_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
FIRST = date(1970, 1, 1).toordinal()
WORD = 2**64

HOLIDAYS = {}
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "holidays.txt"), encoding="utf-8") as lines:
    for line in lines:
        if not line.startswith("#"):
            country, day = line.split()
            HOLIDAYS.setdefault(country, set()).add(date.fromisoformat(day).toordinal() - FIRST)

zone_named = lru_cache(maxsize=None)(ZoneInfo)


def jitter(seed, below):
    """The hash that the documentation of schedule::jitter names."""
    z = (seed + 0x9E3779B97F4A7C15) % WORD
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 % WORD
    z = (z ^ z >> 27) * 0x94D049BB133111EB % WORD
    return (z ^ z >> 31) * below >> 64


@lru_cache(maxsize=1 << 16)
def offset_at(zone, minute):
    """Minutes that the clock is ahead of UTC, in a minute since 1970."""
    offset = datetime.fromtimestamp(minute * 60, zone_named(zone)).utcoffset()
    return int(offset.total_seconds()) // 60


@lru_cache(maxsize=None)
def runs(zone, day):
    """The offsets of a day of UTC: (first minute of it, minute after the last, offset)."""
    start = day * DAY
    hours = [offset_at(zone, start + 60 * h) for h in range(25)]
    found = []
    begin = 0
    for h in range(24):
        if hours[h] == hours[h + 1]:
            continue
        for m in range(60 * h + 1, 60 * h + 61):
            before, now = offset_at(zone, start + m - 1), offset_at(zone, start + m)
            if before != now and m < DAY:
                found.append((begin, m, before))
                begin = m
    found.append((begin, DAY, offset_at(zone, start + DAY - 1)))
    return found


def wall_of(zone, micros):
    """Date (days since 1970) and microseconds of the day by the clock."""
    local = micros + offset_at(zone, micros // (60 * MICRO)) * 60 * MICRO
    return divmod(local, DAY * 60 * MICRO)


def instant_of(zone, day, of_day):
    """The earlier instant at which the clock shows that; where it never does, the first instant after."""
    whole, rest = divmod(of_day, MICRO)
    shown = datetime(1970, 1, 1, tzinfo=zone_named(zone)) + timedelta(days=day, seconds=whole)
    at = int(shown.replace(fold=0).timestamp())
    if wall_of(zone, at * MICRO) == (day, whole * MICRO):
        return at * MICRO + rest
    minute = at // 60 - 300
    while wall_of(zone, minute * 60 * MICRO) < (day, of_day):
        minute += 1
    return minute * 60 * MICRO


class Opening:
    def __init__(self, zone, days, ranges, countries, dates):
        self.zone = zone
        self.days = days
        self.closed = set().union(*(HOLIDAYS[c] for c in countries), dates)
        self.minutes = 0
        for start, end in ranges:
            for minute in range(start, end):
                self.minutes |= 1 << minute
        self.seen = {}

    def local(self, day):
        """The open minutes of a date by the clock."""
        open_then = (day + 3) % 7 in self.days and day not in self.closed
        return self.minutes if open_then else 0

    def bits(self, day):
        """The open minutes of a day of UTC."""
        if day not in self.seen:
            three = self.local(day - 1) | self.local(day) << DAY | self.local(day + 1) << 2 * DAY
            bits = 0
            for start, end, offset in runs(self.zone, day):
                bits |= (three >> (DAY + start + offset) & (1 << (end - start)) - 1) << start
            self.seen[day] = bits
        return self.seen[day]

    def literally_open(self, minute):
        local = (EPOCH + timedelta(minutes=minute)).astimezone(zone_named(self.zone))
        return self.local(local.date().toordinal() - FIRST) >> (local.hour * 60 + local.minute) & 1


class Openings:
    def __init__(self, openings):
        self.all = [Opening(*o) for o in openings]
        self.seen = {}
        self.starts = {}

    def bits(self, day):
        if day not in self.seen:
            bits = (1 << DAY) - 1
            for opening in self.all:
                bits &= opening.bits(day)
            self.seen[day] = bits
        return self.seen[day]

    def is_open(self, minute):
        day, of_day = divmod(minute, DAY)
        return self.bits(day) >> of_day & 1

    def next(self, at):
        """The first open instant at or after `at`, microseconds; None if none comes."""
        minute = at // (60 * MICRO)
        if self.is_open(minute):
            return at
        minute += 1
        for day in range(minute // DAY, minute // DAY + SEARCH_DAYS + 1):
            ahead = self.bits(day) >> max(0, minute - day * DAY)
            if ahead:
                lowest = (ahead & -ahead).bit_length() - 1
                found = (max(minute, day * DAY) + lowest) * 60 * MICRO
                return found if found <= at + SEARCH_DAYS * DAY * 60 * MICRO else None
        return None

    def starts_of(self, day):
        """The minutes of a day of UTC, since 1970, that are open and follow one that is not."""
        if day not in self.starts:
            bits, before = self.bits(day), self.bits(day - 1) >> DAY - 1
            edges = bits & ~(bits << 1 | before)
            self.starts[day] = [day * DAY + m for m in range(DAY) if edges >> m & 1] if edges else []
        return self.starts[day]

    def end(self, at, most=10 * DAY):
        """When the window ends that is open at `at`: closed, or another date on one of the clocks."""
        minute = at // (60 * MICRO)
        if not self.is_open(minute):
            return at
        dates = None
        for _ in range(most + 1):
            now = [(minute + offset_at(o.zone, minute)) // DAY for o in self.all]
            if dates is not None and (now != dates or not self.is_open(minute)):
                break
            dates = now
            minute += 1
        return minute * 60 * MICRO

    def judge(self, since, at):
        """Looks again, one minute after the other, with nothing but zoneinfo."""
        first = since // (60 * MICRO)
        last = first + 60 * DAY if at is None else at // (60 * MICRO)
        for minute in range(first, min(last, first + 60 * DAY)):
            assert not all(o.literally_open(minute) for o in self.all), ("passed over", minute)
        assert at is None or all(o.literally_open(last) for o in self.all), ("closed", last)


def due_at(step, anchor, zone, closed):
    kind = step[0]
    if kind == "at":
        return anchor
    if kind == "minutes":
        return anchor + step[1] * 60 * MICRO
    day, of_day = wall_of(zone, anchor)
    if kind == "days":
        return instant_of(zone, day + step[1], of_day)
    if kind == "business":
        left = step[1]
        while left:
            day += 1
            if (day + 3) % 7 < 5 and day not in closed:
                left -= 1
        return instant_of(zone, day, of_day)
    if kind == "next":
        for later in range(15):
            at = instant_of(zone, day + later, step[2] * 60 * MICRO)
            if (day + later + 3) % 7 == step[1] and at > anchor:
                return at
    raise ValueError(kind)


def planned_at(due, now, openings, max_late, seed):
    at = openings.next(due)
    if at is None or now <= at:
        return at
    if now - at <= max_late * MICRO:
        return openings.next(now)
    opens = openings.next(openings.end(now))
    if opens is None:
        return None
    width = min((openings.end(opens, 31) - opens) // MICRO, 1800)
    return opens + jitter((seed + 2) % WORD, width) * MICRO


def chain(case, number):
    """A step after the other, each counted from when the one above was completed."""
    openings = Openings(case["openings"])
    closed = set().union(*(HOLIDAYS[c] for c in case["countries"]), case["dates"])
    anchor, out = case["anchor"], []
    for step in case["steps"]:
        if anchor > case["last"]:
            break
        due = due_at(step["after"], anchor, case["zone"], closed)
        now = max(anchor, due + step["late"] * MICRO) if step["late"] else anchor
        at = planned_at(due, now, openings, case["max_late"], step["seed"])
        if number % LITERAL == 0 and now <= due:
            openings.judge(due, at)
        if at is None:
            out.append("never")
            break
        out.append(str(at))
        anchor = at + step["done"] * MICRO
    return out


class Limits:
    """Judges a set of sends by the words of the rules; no index, no memory."""

    def __init__(self, case):
        self.in24, self.per_day, self.ramp, self.zone = case["in24"], case["per_day"], case["ramp"], case["zone"]
        self.gap = case["gap"]
        self.sends = []

    def after(self, seed):
        low, high = self.gap
        return (low + jitter((seed + 1) % WORD, high - low + 1)) * MICRO

    def allows(self, at, gap):
        times = sorted([t for t, _, _ in self.sends] + [at])
        if self.in24:
            for one, another in zip(times, times[self.in24:]):
                if another - one < DAY * 60 * MICRO and one <= at <= another:
                    return False
        if self.per_day or self.ramp:
            here = wall_of(self.zone, at)[0]
            dates = [date for _, _, date in self.sends] + [here]
            if self.per_day and dates.count(here) > self.per_day:
                return False
            since = here - min(dates)
            if self.ramp and since < len(self.ramp) and dates.count(here) > self.ramp[since]:
                return False
        if self.gap:
            for other, theirs, _ in self.sends:
                if other <= at < other + theirs or at < other < at + gap:
                    return False
        return True

    def candidates(self, openings, since):
        """All instants, in order, at which something may become allowed: where what forbids ends, or a window opens."""
        found = {since}
        for other, gap, _ in self.sends:
            found.update((other + DAY * 60 * MICRO, other + gap))
        first = wall_of(self.zone, since)[0]
        midnights = (instant_of(self.zone, day, 0) for day in range(first + 1, first + 61))
        first = since // (DAY * 60 * MICRO)
        starts = (m * 60 * MICRO for day in range(first, first + 61) for m in openings.starts_of(day))
        for at in merge(sorted(found), midnights, starts):
            if at >= since and openings.is_open(at // (60 * MICRO)):
                yield at


def ledger(case):
    openings, limits, out, placed = Openings(case["openings"]), Limits(case), [], []
    for op in case["ops"]:
        if op[0] == "cancel":
            limits.sends.remove(placed.pop(op[1]))
            continue
        gap = limits.after(op[2]) if limits.gap else 0
        at = op[1]
        if op[0] == "plan":
            at = next((t for t in limits.candidates(openings, at) if limits.allows(t, gap)), None)
        if at is None:
            out.append("never")
            break
        out.append(str(at))
        placed.append((at, gap, wall_of(limits.zone, at)[0]))
        limits.sends.append(placed[-1])
    return out


def main():
    number = 0
    for line in sys.stdin.buffer:
        if line.strip():
            case = json.loads(line)
            out = ledger(case) if "ops" in case else chain(case, number)
            sys.stdout.write(" ".join(out))
            number += 1
        sys.stdout.write("\n")
        if not line.strip():
            sys.stdout.flush()


main()
