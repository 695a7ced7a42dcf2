import type { Delivery, OutgoingMessage, Receipt } from '../../src/ports/task-queue.ts';

/** Messages whose bodies are the prefix and a number. */
export function messages(count: number, prefix = 'message', tenant = 'job-a'): OutgoingMessage[] {
  return Array.from({ length: count }, (_, n) => ({ body: `${prefix} ${n}`, tenant }));
}

/** Their bodies, sorted. */
export const bodiesOf = (some: readonly { readonly body: string }[]): string[] => some.map(({ body }) => body).sort();

export const receiptsOf = (deliveries: readonly Delivery[]): Receipt[] => deliveries.map(({ receipt }) => receipt);

export const releasesOf = (deliveries: readonly Delivery[], delay = 0) =>
  deliveries.map(({ receipt }) => ({ receipt, delay }));

export const burialsOf = (deliveries: readonly Delivery[], reason = 'bad') =>
  deliveries.map((delivery) => ({ delivery, reason }));
