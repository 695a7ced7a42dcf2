import type { NewsEvent } from '../../model/notify.ts';
import type { Told } from './receivers.ts';

/** So many notices are remembered; forgotten, they are looked up again. */
const REMEMBERED = 50_000;
/** A receiver that failed is asked for nothing more for so long, milliseconds: it may hang, and others wait behind it. */
const AWAY_MS = 60_000;

type Event = Pick<NewsEvent, 'id'>;
type Receiver = Pick<Told, 'id'>;

/** What one process knows of notices, an event and one who is told of it each. That something was told stands in the store. */
export class NoticeMemory {
  readonly #done = new Set<string>();
  /** Milliseconds since the epoch, as all instants here. */
  readonly #due = new Map<string, number>();
  readonly #awayUntil = new Map<string, number>();

  /** When it is to be tried (again), 0 for at once; null: it is done with. */
  due(event: Event, receiver: Receiver): number | null {
    const name = noticeName(event, receiver);
    if (this.#done.has(name)) return null;
    return Math.max(this.#due.get(name) ?? 0, this.#awayUntil.get(receiver.id) ?? 0);
  }

  done(event: Event, receiver: Receiver): void {
    const name = noticeName(event, receiver);
    this.#due.delete(name);
    if (this.#done.size >= REMEMBERED) this.#done.clear();
    this.#done.add(name);
  }

  later(event: Event, receiver: Receiver, due: number): void {
    if (this.#due.size >= REMEMBERED) this.#due.clear();
    this.#due.set(noticeName(event, receiver), due);
  }

  away({ id }: Receiver, now: number): void {
    this.#awayUntil.set(id, now + AWAY_MS);
  }
}

export const noticeName = (event: Event, receiver: Receiver): string => `${event.id}/${receiver.id}`;
