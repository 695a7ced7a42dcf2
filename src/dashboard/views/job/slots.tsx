import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { formatCount, formatInstant, formatMany } from '../../../cli/format.ts';
import { formatDuration } from '../../../lib/units.ts';
import type { Report } from '../../api-routes.ts';
import {
  type Bar,
  barAt,
  clampSpan,
  type Lane,
  lanesOf,
  nextBar,
  OUTCOMES,
  type Outcome,
  outcomeText,
  zoomSpan,
} from '../../chart/lanes.ts';
import { drawMark, drawSlots, layoutOf, placeAt } from '../../chart/slots.ts';
import { zone } from '../../clock.ts';
import { taskHash } from '../../hash.ts';
import { isDark } from '../../scheme.ts';

/** Lanes shown before a person asks for all. */
const FEW = 16;
/** Pixels within which the pointer finds an attempt. */
const NEAR = 5;

interface SlotsProps {
  readonly job: string;
  readonly timeline: Report['timeline'];
}

interface ChosenPoint {
  readonly lane: number;
  readonly bar: Bar | null;
  /** Seconds after the start. */
  readonly at: number;
}

/** Attempts over time, one lane a slot (or a worker): which task, when, and how it ended. */
export function SlotsChart({ job, timeline }: SlotsProps) {
  const { from, seconds, waiting, sampled, hidden } = timeline;
  const canvas = useRef<HTMLCanvasElement>(null);
  const width = useSignal(0);
  const all = useSignal(false);
  const span = useSignal({ from: 0, to: seconds });
  const chosen = useSignal<ChosenPoint | null>(null);
  // A whole timeline stays whole as it grows.
  const whole = useRef(seconds);
  if (seconds !== whole.current && span.value.from === 0 && span.value.to === whole.current) {
    span.value = { from: 0, to: seconds };
  }
  whole.current = seconds;
  const every = lanesOf(timeline);
  const lanes = all.value ? every : every.slice(0, FEW);
  const waits = waiting.some((count) => count > 0);
  const layout = layoutOf(lanes.length, waits, width.value);
  const start = Date.parse(from ?? '') / 1_000;
  const { value: view } = span;
  const dark = isDark();
  useEffect(() => {
    const { current } = canvas;
    if (current === null) return undefined;
    const measure = (): void => {
      width.value = current.clientWidth;
    };
    const resize = new ResizeObserver(measure);
    resize.observe(current);
    measure();
    return () => resize.disconnect();
  }, []);
  useEffect(() => {
    const { value } = chosen;
    if (canvas.current === null || layout.width === 0) return;
    const bar = value?.bar ?? null;
    drawSlots(
      canvas.current,
      {
        lanes,
        waiting: waits ? waiting : [],
        start,
        seconds,
        span: view,
        chosen: value === null || bar === null ? null : { lane: value.lane, bar },
      },
      layout,
    );
  }, [timeline, layout.width, lanes.length, view, chosen.value, dark]);
  const find = (event: MouseEvent): ChosenPoint | null => {
    const place = placeAt(layout, view, event.offsetX, event.offsetY);
    const lane = place === null ? undefined : lanes[place.lane];
    if (place === null || lane === undefined) return null;
    const near = (NEAR / Math.max(1, layout.width - layout.left)) * (view.to - view.from);
    return { ...place, bar: barAt(lane, place.at, near) };
  };
  const zoom = (factor: number, at = (view.from + view.to) / 2): void => {
    span.value = zoomSpan(view, factor, at, seconds);
  };
  const open = (bar: Bar | null | undefined): void => {
    if (bar) location.hash = taskHash(job, bar.task);
  };
  const show = (lane: number, bar: Bar | null): void => {
    if (bar === null) return;
    chosen.value = { lane, bar, at: bar.start };
    const { from: left, to: right } = view;
    if (bar.end >= left && bar.start <= right) return;
    const middle = (bar.start + bar.end - (right - left)) / 2;
    span.value = clampSpan({ from: middle, to: middle + right - left }, seconds);
  };
  const onKey = (event: KeyboardEvent): void => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const lane = Math.max(0, Math.min(lanes.length - 1, chosen.value?.lane ?? 0));
    const at = chosen.value?.bar ?? null;
    const step = (by: number): void => {
      const to = Math.max(0, Math.min(lanes.length - 1, lane + by));
      const bars = lanes[to];
      if (bars !== undefined) show(to, barAt(bars, at?.start ?? view.from, seconds));
    };
    const acts: Readonly<Record<string, () => void>> = {
      ArrowRight: () => show(lane, nextBar(lanes[lane] ?? { bars: [] }, at, 1)),
      ArrowLeft: () => show(lane, nextBar(lanes[lane] ?? { bars: [] }, at, -1)),
      ArrowDown: () => step(1),
      ArrowUp: () => step(-1),
      Enter: () => open(at),
      '+': () => zoom(0.5, at?.start),
      '-': () => zoom(2, at?.start),
      0: () => zoom(Number.POSITIVE_INFINITY),
    };
    const act = acts[event.key];
    if (act === undefined) return;
    event.preventDefault();
    act();
  };
  const kinds = new Set(every.flatMap(({ bars }) => bars.map(({ outcome }) => outcome)));
  const binned = every.some(({ shares }) => shares !== null);
  const zoomedIn = view.to - view.from < seconds * 0.999;
  return (
    <figure class="slots">
      <div class="slots-head">
        <Legend kinds={kinds} binned={binned} waits={waits} dark={dark} />
        <div class="tools">
          <button type="button" aria-label="Zoom in" onClick={() => zoom(0.5)}>
            +
          </button>
          <button type="button" aria-label="Zoom out" aria-disabled={!zoomedIn} onClick={() => zoom(2)}>
            −
          </button>
          <button type="button" aria-disabled={!zoomedIn} onClick={() => zoom(Number.POSITIVE_INFINITY)}>
            Whole job
          </button>
        </div>
      </div>
      {/* biome-ignore lint/a11y/useSemanticElements: a chart that the arrow keys move through */}
      <div
        role="group"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: the arrow keys move through it
        tabIndex={0}
        aria-label={`Timeline of slots: ${summaryOf(every, seconds)} Arrow keys move between attempts, Enter opens the task, plus and minus zoom.`}
        onKeyDown={onKey}
      >
        <canvas
          ref={canvas}
          style={{ height: `${layout.height}px`, cursor: chosen.value?.bar ? 'pointer' : 'default' }}
          onMouseMove={(event) => {
            chosen.value = find(event);
          }}
          onMouseLeave={() => {
            chosen.value = null;
          }}
          onClick={(event) => open(find(event)?.bar)}
          onWheel={(event) => {
            if (!event.ctrlKey && !event.shiftKey) return;
            event.preventDefault();
            const place = placeAt(layout, view, event.offsetX, layout.top);
            zoom((event.deltaY || event.deltaX) > 0 ? 1.25 : 0.8, place?.at);
          }}
        />
      </div>
      <p class="slots-now" role="status">
        {chosen.value === null ? (
          <span class="muted">Point at an attempt, or move with the arrow keys. Shift and the wheel zoom.</span>
        ) : (
          <ChosenDetails
            job={job}
            lane={lanes[chosen.value.lane]}
            chosen={chosen.value}
            start={start}
            seconds={seconds}
          />
        )}
      </p>
      {every.length > FEW && (
        <button
          type="button"
          onClick={() => {
            all.value = !all.value;
          }}
        >
          {all.value ? `Show ${FEW} lanes` : `Show all ${formatCount(every.length)} lanes`}
        </button>
      )}
      {binned && (
        <p class="note">
          Lanes with many attempts show how busy they were
          {sampled > 1
            ? `, and one in ${sampled} of the attempts that did not succeed`
            : ', and all attempts that did not succeed'}
          .{hidden > 0 && ' Further slots with less work are not shown.'}
        </p>
      )}
    </figure>
  );
}

interface ChosenDetailsProps {
  readonly job: string;
  readonly lane: Lane | undefined;
  readonly chosen: ChosenPoint;
  readonly start: number;
  readonly seconds: number;
}

/** The thing under the pointer: a task with its times and its end, or how busy the lane was. */
function ChosenDetails({ job, lane, chosen: { bar, at }, start, seconds }: ChosenDetailsProps) {
  if (lane === undefined) return null;
  const when = (second: number): string => formatInstant((start + second) * 1_000, zone);
  const clock = (second: number): string => new Date((start + second) * 1_000).toLocaleTimeString('en-GB');
  if (bar === null) {
    const share = lane.shares?.[Math.floor((at / seconds) * lane.shares.length)];
    return (
      <>
        {lane.label}, {when(at)}: {share === undefined ? 'idle' : `busy ${Math.round(share * 100)} % of the time`}
      </>
    );
  }
  const end = bar.outcome === 'running' ? 'now' : clock(bar.end);
  return (
    <>
      <a href={taskHash(job, bar.task)}>{bar.task}</a>, attempt {bar.attempt}: {outcomeText(bar)} · {clock(bar.start)}{' '}
      to {end} ({formatDuration(bar.end - bar.start)}) · {lane.label}
    </>
  );
}

function summaryOf(lanes: readonly Lane[], seconds: number): string {
  const bars = lanes.flatMap((lane) => lane.bars);
  const of = (outcome: Outcome): string => formatCount(bars.filter((bar) => bar.outcome === outcome).length);
  return `${formatMany(lanes.length, 'lane')} over ${formatDuration(seconds)}; ${of('failed')} failed for good, ${of('failedAttempt')} failed and retried, ${of('superseded')} superseded, ${of('interrupted')} interrupted.`;
}

interface LegendProps {
  readonly kinds: ReadonlySet<Outcome>;
  readonly binned: boolean;
  readonly waits: boolean;
  readonly dark: boolean;
}

function Legend({ kinds, binned, waits, dark }: LegendProps) {
  const shown = (['done', 'running', 'failedAttempt', 'superseded', 'failed', 'interrupted'] as const).filter(
    (kind) => kinds.has(kind) || (kind === 'done' && binned),
  );
  return (
    <ul class="legend">
      {shown.map((kind) => (
        <li key={`${kind} ${dark}`}>
          {kind === 'done' || kind === 'running' ? <span class={`swatch slot-${kind}`} /> : <Shape kind={kind} />}
          {kind === 'done' && binned ? 'done; the higher, the busier' : OUTCOMES[kind]}
        </li>
      ))}
      {waits && (
        <li>
          <span class="swatch slot-waiting" />
          tasks waiting
        </li>
      )}
    </ul>
  );
}

function Shape({ kind }: { readonly kind: Outcome }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const pen = canvas.current?.getContext('2d');
    if (!canvas.current || !pen) return;
    const style = getComputedStyle(canvas.current);
    pen.scale(2, 2);
    drawMark(pen, kind, 8, 7, (name) => style.getPropertyValue(`--${name}`).trim());
  }, []);
  return <canvas ref={canvas} class="shape" width={32} height={28} />;
}
