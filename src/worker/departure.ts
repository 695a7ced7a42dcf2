import { EventEmitter } from 'node:events';
import { BatchctlError, isFull } from '../errors.ts';
import type { ObjectStore } from '../ports/object-store.ts';
import type { WorkerLog } from './context.ts';
import type { Order } from './decisions.ts';
import { withGrantHint } from './denials.ts';
import { type EndReason, shortMessageOf } from './outcome.ts';

/** Decides the machine's fate after its worker left: for `done` and `sick` the group shrinks if it may. */
export type LeaveReason = 'stay' | 'done' | 'sick' | 'replace' | 'ordered';
const REASONS_BY_STRENGTH: readonly LeaveReason[] = ['stay', 'done', 'replace', 'sick', 'ordered'];

interface DepartureOptions {
  readonly log: WorkerLog;
  readonly store: Pick<ObjectStore, 'location'>;
  /** The groups that the worker serves. */
  readonly groups: readonly string[];
}

/**
 * The two stages in which a worker leaves (law 6): it stops taking tasks (`leave`), then ends those that still run (`end`).
 * Any part of the worker may start either stage, at any time and more than once.
 */
export class Departure extends EventEmitter<{ leave: []; end: [EndReason] }> {
  readonly #o: DepartureOptions;
  readonly #leaving = new AbortController();
  readonly #ending = new AbortController();
  #reason: LeaveReason = 'stay';
  #failure: BatchctlError | null = null;

  constructor(options: DepartureOptions) {
    super();
    this.#o = options;
  }

  /** Aborts when the worker stops taking tasks. */
  get drain(): AbortSignal {
    return this.#leaving.signal;
  }

  /** Aborts when running tasks must be returned at once: services are not retried after that. */
  get ended(): AbortSignal {
    return this.#ending.signal;
  }

  /** The strongest reason so far. */
  get reason(): LeaveReason {
    return this.#reason;
  }

  /** The first error for which the worker gave up; null: it did not. */
  get failure(): BatchctlError | null {
    return this.#failure;
  }

  /** A stronger reason to leave decides how. */
  setReason(reason: LeaveReason): void {
    if (REASONS_BY_STRENGTH.indexOf(reason) > REASONS_BY_STRENGTH.indexOf(this.#reason)) this.#reason = reason;
  }

  /** Stop taking, finish, leave. */
  leave(why: string): void {
    if (!this.drain.aborted) this.#o.log.info(`${why}: taking no more tasks`);
    this.#leaving.abort();
    this.emit('leave');
  }

  /** Running attempts end now, for this reason. */
  end(reason: EndReason): void {
    this.#ending.abort();
    this.emit('end', reason);
  }

  obey(order: Order): void {
    this.setReason(order === 'replace' ? 'replace' : 'ordered');
    this.leave(`ordered to ${order}`);
    if (order === 'stop') this.end('drain');
  }

  /** A service stays unavailable: stop taking tasks, return those that can't finish, and exit with the error's code. */
  giveUp(error: unknown): void {
    const { groups, store } = this.#o;
    const [group = ''] = groups;
    this.#failure ??=
      error instanceof BatchctlError
        ? withGrantHint(error, { group, store })
        : new BatchctlError(isFull(error) ? 'full' : 'unexpected', shortMessageOf(error), { cause: error });
    this.leave(`giving up: ${shortMessageOf(error)}`);
  }
}
