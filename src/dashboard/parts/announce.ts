import { signal } from '@preact/signals';

/** What screen readers are told, one line at a time; kept to what a person would look up for. */
export const announced = signal('');

export function announce(text: string): void {
  announced.value = announced.peek() === text ? `${text}\u00a0` : text;
}
