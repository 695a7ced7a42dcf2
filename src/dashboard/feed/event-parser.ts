export interface ServerEvent {
  readonly event: string;
  readonly data: string;
}

/** Parses server-sent events from a stream of text, however it is split. */
export class EventParser {
  #rest = '';

  /** Adds a piece and returns the events that it completes. Ignores comments. */
  add(text: string): readonly ServerEvent[] {
    this.#rest += text;
    const blocks = this.#rest.split('\n\n');
    this.#rest = blocks.pop() ?? '';
    return blocks.flatMap(eventOf);
  }
}

function eventOf(block: string): readonly ServerEvent[] {
  let event = 'message';
  const data: string[] = [];
  for (const line of block.split('\n')) {
    const at = line.indexOf(':');
    if (at <= 0) continue;
    const value = line.slice(at + 1).replace(/^ /, '');
    if (line.startsWith('event:')) event = value;
    if (line.startsWith('data:')) data.push(value);
  }
  return data.length === 0 ? [] : [{ event, data: data.join('\n') }];
}
