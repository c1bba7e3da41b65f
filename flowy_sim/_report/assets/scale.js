// Where a moment is, and how times are written, as in _report/layout.py.
export const WIDTH = 1000;
const STRIP = 40;
const STRIPS = 400;
const DAY = 86_400_000;
const UNITS = [["d", DAY], ["h", 3_600_000], ["min", 60_000], ["s", 1000]];

export class Scale {
  constructor(length, folds) {
    this.folds = folds;
    const strip = Math.min(STRIP, STRIPS / Math.max(folds.length, 1));
    const folded = folds.reduce((sum, [begin, end]) => sum + end - begin, 0);
    this.perUnit = (WIDTH - strip * folds.length) / Math.max(length - folded, 1);
    this.pieces = [];
    let at = 0, place = 0;
    for (const [begin, end] of folds) {
      this.pieces.push({ at, place, perUnit: this.perUnit });
      place += (begin - at) * this.perUnit;
      this.pieces.push({ at: begin, place, perUnit: strip / (end - begin) });
      place += strip;
      at = end;
    }
    this.pieces.push({ at, place, perUnit: this.perUnit });
  }

  place(at) {
    const piece = this.pieces.findLast((each) => each.at <= at) ?? this.pieces[0];
    return piece.place + (at - piece.at) * piece.perUnit;
  }

  moment(place) {
    const piece = this.pieces.findLast((each) => each.place <= place) ?? this.pieces[0];
    return piece.at + (place - piece.place) / piece.perUnit;
  }

  foldAt(at) {
    return this.folds.find(([begin, end]) => begin < at && at < end);
  }

  // Round moments, at one of the distances `steps`, at least `room` apart in the unzoomed picture:
  // round on a clock that shows `origin` at moment 0.
  ticks(steps, from, to, room, origin = 0) {
    const step = steps.find((each) => each * this.perUnit >= room) ?? steps.at(-1);
    const shift = ((origin % step) + step) % step;
    const next = (at) => Math.ceil((at + shift) / step) * step - shift;
    const found = [];
    for (let at = next(from), last = -Infinity; at <= to && found.length < 200; at = next(at + step / 2)) {
      const fold = this.foldAt(at);
      if (fold) at = next(fold[1]);
      if (at > to) break;
      const place = this.place(at);
      if (place - last >= room * 0.7) {
        found.push({ at, place });
        last = place;
      }
    }
    return { step, found };
  }
}

export function duration(milliseconds) {
  const rounded = Math.round(milliseconds);
  if (rounded > 0 && rounded < 1000) return `${rounded} ms`;
  if (milliseconds < 59_995) return `${Number((milliseconds / 1000).toFixed(2))} s`;
  const counts = inUnits(Math.round(milliseconds / 1000) * 1000);
  const first = counts.findIndex(Boolean);
  return counts.slice(first, first + 2).filter(Boolean).join(" ");
}

// The same in full: `365 d 20 s`.
export function wholeDuration(milliseconds) {
  const all = Math.round(milliseconds), rest = all % 60_000;
  return [...inUnits(all - rest), rest || !all ? duration(rest) : ""].filter(Boolean).join(" ");
}

function inUnits(rest) {
  return UNITS.map(([unit, size]) => {
    const count = Math.floor(rest / size);
    rest -= count * size;
    return count ? `${count} ${unit}` : "";
  });
}

export const LOCAL = Intl.DateTimeFormat().resolvedOptions().timeZone || "local time";

// What a clock of a zone shows, as milliseconds since 1970.
export function shownBy(zone, milliseconds) {
  return zone === "utc" ? milliseconds : milliseconds - new Date(milliseconds).getTimezoneOffset() * 60_000;
}

// A moment on the clock of a zone: in full, or what matters between ticks `step` apart.
export function instant(zone, milliseconds, step = 0) {
  const iso = new Date(shownBy(zone, milliseconds)).toISOString();
  if (step >= DAY) return iso.slice(0, 10);
  if (step >= 60_000) return iso.slice(11, 16);
  if (step >= 1000) return iso.slice(11, 19);
  return step ? iso.slice(11, 23) : `${iso.slice(0, 10)} ${iso.slice(11, 23)}`;
}
