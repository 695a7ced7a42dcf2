import { formatCount } from '../../cli/format.ts';
import { type Bar, type Lane, type Outcome, type Span, ticksOf } from './lanes.ts';

/** Pixels: of the time axis, and of the strip of waiting tasks above the lanes. */
const AXIS = 22;
const WAITING = 34;
/** The least width of an attempt, and the least distance between two marks. */
const MIN_WIDTH = 2;
const MIN_MARK_DISTANCE = 9;

export interface Drawing {
  readonly lanes: readonly Lane[];
  readonly waiting: readonly number[];
  /** Seconds since the epoch. */
  readonly start: number;
  readonly seconds: number;
  readonly span: Span;
  readonly chosen: { readonly lane: number; readonly bar: Bar } | null;
}

/** Where things are drawn, in pixels. */
export interface Layout {
  /** The left end of the plot: labels are before it. */
  readonly left: number;
  readonly width: number;
  readonly top: number;
  readonly lane: number;
  readonly height: number;
}

/** The layout of that many lanes on a canvas of this width. */
export function layoutOf(lanes: number, waiting: boolean, width: number): Layout {
  const lane = lanes > 24 ? 14 : 20;
  const top = AXIS + (waiting ? WAITING + 8 : 0);
  return { left: width < 560 ? 74 : 176, width, top, lane, height: top + lanes * lane + 2 };
}

/** The index of the lane and the second under a point; null outside. */
export function placeAt(layout: Layout, span: Span, x: number, y: number): { lane: number; at: number } | null {
  const { left, width, top, lane } = layout;
  if (x < left || y < top) return null;
  return { lane: Math.floor((y - top) / lane), at: span.from + ((x - left) / (width - left)) * (span.to - span.from) };
}

/** Draws lanes of attempts over time. All kinds differ in shape and lightness, not in colour alone. */
export function drawSlots(canvas: HTMLCanvasElement, drawing: Drawing, layout: Layout): void {
  const style = getComputedStyle(canvas);
  const colour = (name: string): string => style.getPropertyValue(`--${name}`).trim();
  const ratio = devicePixelRatio || 1;
  canvas.width = Math.round(layout.width * ratio);
  canvas.height = Math.round(layout.height * ratio);
  const pen = canvas.getContext('2d');
  if (pen === null) return;
  pen.scale(ratio, ratio);
  pen.font = '12px system-ui, sans-serif';
  pen.textBaseline = 'middle';
  const { left, width, top, lane } = layout;
  const { span, lanes } = drawing;
  const x = (second: number): number => left + ((second - span.from) / (span.to - span.from)) * (width - left);
  drawAxis(pen, drawing, layout, x, colour);
  if (drawing.waiting.length > 0) drawWaiting(pen, drawing, layout, x, colour);
  for (const [n, each] of lanes.entries()) {
    const y = top + n * lane;
    pen.fillStyle = colour('muted');
    pen.fillText(fitText(pen, each.label, left - 10), 0, y + lane / 2);
    pen.save();
    pen.beginPath();
    pen.rect(left, y, width - left, lane);
    pen.clip();
    pen.fillStyle = colour('soft');
    pen.fillRect(left, y + 1, width - left, lane - 3);
    if (each.shares !== null) drawShares(pen, each.shares, drawing.seconds, { y, lane }, x, colour);
    drawBars(pen, each.bars, { y, lane, from: left, to: width }, x, colour);
    if (drawing.chosen?.lane === n) {
      const { start, end } = drawing.chosen.bar;
      pen.strokeStyle = colour('text');
      pen.lineWidth = 2;
      pen.strokeRect(x(start) - 1, y + 1, Math.max(MIN_WIDTH, x(end) - x(start)) + 2, lane - 3);
    }
    pen.restore();
  }
}

type Pen = CanvasRenderingContext2D;
type XScale = (second: number) => number;
type Colour = (name: string) => string;

function strokeLine(pen: Pen, ...points: readonly (readonly [x: number, y: number])[]): void {
  pen.beginPath();
  for (const [x, y] of points) pen.lineTo(x, y);
  pen.stroke();
}

/** The end of a text that fits: a slot's number matters more than its worker's first letters. */
function fitText(pen: Pen, text: string, width: number): string {
  const short = text.replace(' slot ', ' #');
  if (pen.measureText(text).width <= width) return text;
  for (let from = 0; from < short.length; from += 1) {
    const rest = from === 0 ? short : `…${short.slice(from)}`;
    if (pen.measureText(rest).width <= width) return rest;
  }
  return '';
}

function drawAxis(
  pen: Pen,
  { start, span }: Drawing,
  { left, width, height }: Layout,
  x: XScale,
  colour: Colour,
): void {
  const { at, step } = ticksOf(start, span, (width - left) / 84);
  pen.strokeStyle = colour('line');
  pen.lineWidth = 1;
  for (const tick of at) {
    const place = Math.round(x(tick - start)) + 0.5;
    strokeLine(pen, [place, AXIS - 4], [place, height]);
    const text = clockText(tick, step);
    const wide = pen.measureText(text).width;
    pen.fillStyle = colour('muted');
    pen.fillText(text, Math.min(width - wide, Math.max(left, place - wide / 2)), 8);
  }
}

function clockText(at: number, step: number): string {
  const date = new Date(at * 1_000);
  if (step >= 86_400 || (date.getHours() === 0 && date.getMinutes() === 0 && step >= 60)) {
    return date.toLocaleDateString('en-GB', { day: 'numeric', month: 'short' });
  }
  const text = date.toLocaleTimeString('en-GB', { timeStyle: step < 60 ? 'medium' : 'short' });
  return step < 1 ? `${text}.${Math.floor((at * 10) % 10)}` : text;
}

function drawWaiting(
  pen: Pen,
  { waiting, seconds }: Drawing,
  { left, width }: Layout,
  x: XScale,
  colour: Colour,
): void {
  const most = Math.max(1, ...waiting);
  const bottom = AXIS + WAITING;
  pen.fillStyle = colour('muted');
  pen.fillText(
    left < 100 ? `≤ ${formatCount(Math.round(most))}` : `waiting, up to ${formatCount(Math.round(most))}`,
    0,
    AXIS + WAITING / 2,
  );
  pen.save();
  pen.beginPath();
  pen.rect(left, AXIS, width - left, WAITING);
  pen.clip();
  pen.beginPath();
  pen.moveTo(x(0), bottom);
  for (const [n, count] of waiting.entries()) {
    const y = bottom - (count / most) * (WAITING - 4);
    pen.lineTo(x((n * seconds) / waiting.length), y);
    pen.lineTo(x(((n + 1) * seconds) / waiting.length), y);
  }
  pen.lineTo(x(seconds), bottom);
  pen.globalAlpha = 0.45;
  pen.fillStyle = colour('interrupted');
  pen.fill();
  pen.restore();
  pen.strokeStyle = colour('line');
  pen.strokeRect(left + 0.5, bottom + 0.5, width - left, 0);
}

interface Row {
  readonly y: number;
  readonly lane: number;
}

function drawShares(
  pen: Pen,
  shares: readonly number[],
  seconds: number,
  { y, lane }: Row,
  x: XScale,
  colour: Colour,
): void {
  const full = lane - 3;
  pen.fillStyle = colour('done');
  for (const [n, share] of shares.entries()) {
    if (share <= 0) continue;
    const from = x((n * seconds) / shares.length);
    const tall = Math.max(1, share * full);
    pen.fillRect(from, y + 1 + full - tall, x(((n + 1) * seconds) / shares.length) - from + 0.5, tall);
  }
}

/** Drawn in this order: what went wrong is on top. */
const ORDER: readonly Outcome[] = ['done', 'running', 'interrupted', 'superseded', 'failedAttempt', 'failed'];

const COLOURS: Readonly<Record<Outcome, string>> = {
  done: 'done',
  running: 'running',
  interrupted: 'interrupted',
  failedAttempt: 'retried',
  superseded: 'retried',
  failed: 'failed',
};

function drawBars(
  pen: Pen,
  bars: readonly Bar[],
  { y, lane, from, to }: Row & { readonly from: number; readonly to: number },
  x: XScale,
  colour: Colour,
): void {
  for (const outcome of ORDER) {
    let marked = Number.NEGATIVE_INFINITY;
    for (const bar of bars) {
      if (bar.outcome !== outcome) continue;
      const left = x(bar.start);
      const wide = Math.max(MIN_WIDTH, x(bar.end) - left - 1);
      if (left > to || left + wide < from) continue;
      drawBar(pen, outcome, { left, wide, y: y + 1, tall: lane - 3 }, colour);
      const middle = Math.min(to - 6, Math.max(from + 6, left + wide / 2));
      if (outcome === 'done' || outcome === 'running' || middle - marked < MIN_MARK_DISTANCE) continue;
      marked = middle;
      drawMark(pen, outcome, middle, y + lane / 2 - 0.5, colour);
    }
  }
}

function drawBar(
  pen: Pen,
  outcome: Outcome,
  { left, wide, y, tall }: { readonly left: number; readonly wide: number; readonly y: number; readonly tall: number },
  colour: Colour,
): void {
  const fill = colour(COLOURS[outcome]);
  if (outcome === 'running') {
    // Open to the right: it has no end yet.
    pen.strokeStyle = fill;
    pen.lineWidth = 2;
    strokeLine(pen, [left + wide, y + 1], [left + 1, y + 1], [left + 1, y + tall - 1], [left + wide, y + tall - 1]);
    return;
  }
  pen.fillStyle = fill;
  // Interrupted attempts are half as high, so that the shape differs, too.
  if (outcome === 'interrupted') pen.fillRect(left, y + tall / 2, wide, tall / 2);
  else pen.fillRect(left, y, wide, tall);
}

/** A cross in a square for good, a triangle for a failed attempt, a bar in a circle if superseded, two strokes for an interruption. */
export function drawMark(pen: Pen, outcome: Outcome, x: number, y: number, colour: Colour): void {
  pen.lineWidth = 1.6;
  pen.strokeStyle = colour('ground');
  pen.fillStyle = colour(COLOURS[outcome]);
  pen.beginPath();
  if (outcome === 'failed') {
    pen.fillRect(x - 5.5, y - 5.5, 11, 11);
    strokeLine(pen, [x - 2.6, y - 2.6], [x + 2.6, y + 2.6]);
    strokeLine(pen, [x + 2.6, y - 2.6], [x - 2.6, y + 2.6]);
  } else if (outcome === 'failedAttempt') {
    pen.moveTo(x, y - 6);
    pen.lineTo(x + 6, y + 5);
    pen.lineTo(x - 6, y + 5);
    pen.closePath();
    pen.fill();
    pen.stroke();
  } else {
    pen.arc(x, y, 5.5, 0, 2 * Math.PI);
    pen.fill();
    if (outcome === 'superseded') strokeLine(pen, [x - 2.6, y], [x + 2.6, y]);
    else for (const at of [x - 1.8, x + 1.8]) strokeLine(pen, [at, y - 2.6], [at, y + 2.6]);
  }
}
