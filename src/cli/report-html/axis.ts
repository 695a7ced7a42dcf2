import { type Html, html } from './html.ts';
import type { Tick } from './scale.ts';
import { n, x } from './svg.ts';

/**
 * The narrowest plot, pixels, that a layout has to fit: a phone; paper and half a screen; a whole screen. Each chart lays out
 * its labels for all of them; style.ts shows one.
 */
export const LAYOUTS = [
  { name: 'narrow', pixels: 250 },
  { name: 'middle', pixels: 490 },
  { name: 'wide', pixels: 850 },
] as const;

/** The width of a text in a chart, pixels, with a broad font. */
export function widthOf(text: string): number {
  return text.length * 7.8;
}

/** How many labels of so many characters a plot has room for. */
export function roomFor(pixels: number, characters: number): number {
  return Math.max(2, Math.floor(pixels / (characters * 7.8 + 18)));
}

/** Lines across with their values to the left of the plot. */
export function valueAxis(
  ticks: readonly number[],
  top: number,
  height: number,
  format: (value: number) => string,
): Html {
  const max = ticks.at(-1) ?? 1;
  return html`<g class="axis" aria-hidden="true">${ticks.map((value) => {
    const y = n(top + height - (value / max) * height);
    return html`<line x1="0" x2="100%" y1="${y}" y2="${y}"/><text x="-8" y="${n(y + 4)}" text-anchor="end">${format(value)}</text>`;
  })}</g>`;
}

/** Marks below a plot with their labels, and lines up through it; for each layout its own. */
export function baseAxis(ticksFor: (pixels: number) => readonly Tick[], top: number, height: number): Html {
  return html`${LAYOUTS.map(
    ({ name, pixels }) =>
      html`<g class="axis ${name}" aria-hidden="true">${ticksFor(pixels).map(
        ({ at, label }) =>
          html`<line x1="${x(at)}" x2="${x(at)}" y1="${n(top)}" y2="${n(top + height + 4)}"/><text x="${x(at)}" y="${n(top + height + 17)}" text-anchor="${anchor(at)}">${label}</text>`,
      )}</g>`,
  )}`;
}

/** Lines up through a plot at the marks of an axis drawn elsewhere. */
export function rules(ticksFor: (pixels: number) => readonly Tick[], height: number): Html {
  return html`${LAYOUTS.map(
    ({ name, pixels }) =>
      html`<g class="axis ${name}" aria-hidden="true">${ticksFor(pixels).map(
        ({ at }) => html`<line x1="${x(at)}" x2="${x(at)}" y1="0" y2="${height}"/>`,
      )}</g>`,
  )}`;
}

/** Labels at an end of the plot stand inside it. */
function anchor(at: number): string {
  return at > 0.96 ? 'end' : at < 0.02 ? 'start' : 'middle';
}
