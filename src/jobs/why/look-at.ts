import { isOurs } from '../../errors.ts';
import type { Trouble } from '../../model/why/snapshot.ts';

/** Looks at services one by one: what can't be looked at is noted, and the rest goes on. */
export class LookAt {
  readonly troubles: Trouble[] = [];

  /** The answer, or null when the service refused. Throws only what is no service's error. */
  async try<T>(service: Trouble['service'], group: string | null, look: () => Promise<T>): Promise<T | null> {
    try {
      return await look();
    } catch (error) {
      this.#note(troubleOf(error, service, group));
      return null;
    }
  }

  #note(trouble: Trouble): void {
    if (!this.troubles.some(({ message }) => message === trouble.message)) this.troubles.push(trouble);
  }
}

/** What an error says of a service. An error without a kind is a bug, and is thrown again. */
export function troubleOf(error: unknown, service: Trouble['service'], group: string | null): Trouble {
  if (!isOurs(error)) throw error;
  const { kind, message, hint = null, denied = null } = error;
  return { service, group, kind, message, hint, denied };
}
