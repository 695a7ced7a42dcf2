// Protects: no call makes a manager send more than a page, whatever it asks for, and a page says how to continue.
import { expect } from 'chai';
import * as v from 'valibot';
import { PAGE } from '../../src/model/api.ts';
import type { Platform } from '../../src/ports/platform.ts';
import { pageOf } from '../../src/verbs/list-page.ts';
import { type AnyVerb, type Given, listVerb, PAGED, reading } from '../../src/verbs/verb.ts';

const NUMBERS = {
  name: 'numbers',
  ...reading('/numbers'),
  input: v.strictObject({ ...PAGED }),
  answer: async () => v.number(),
  run: () => forever(),
};
const paged: AnyVerb = listVerb({ ...NUMBERS, cursorOf: (row: number) => String(row) });
const whole: AnyVerb = listVerb(NUMBERS);

async function* forever(): AsyncGenerator<number> {
  for (let n = 1; ; n += 1) yield n;
}

async function* upTo(last: number): AsyncGenerator<number> {
  for (let n = 1; n <= last; n += 1) yield n;
}

describe('a page of a list', () => {
  const platform = {} as Platform;
  /** The rows sent, the page that follows, and what the verb was asked for. */
  const send = async (input: Given, rows: AsyncIterable<number>, { verb = paged, bytes = 1 } = {}) => {
    let sent = 0;
    const row = async (): Promise<number> => {
      sent += 1;
      return bytes;
    };
    const page = await pageOf(verb, { input, row, notice: () => undefined }, platform);
    return { limit: page.input.limit, next: await page.send(rows), sent };
  };

  it('has 1,000 rows unless asked for fewer or more, and never more than 10,000', async () => {
    expect(await send({}, forever())).to.deep.equal({ limit: 1_001, sent: 1_000, next: '1000' });
    expect(await send({ limit: null }, forever())).to.deep.equal({ limit: 1_001, sent: 1_000, next: '1000' });
    expect(await send({ limit: '5' }, forever())).to.deep.equal({ limit: 6, sent: 5, next: '5' });
    expect(await send({ limit: 1_000_000 }, forever())).to.deep.equal({ limit: 10_001, sent: 10_000, next: '10000' });
  });

  it('ends with the row that fills its bytes, and has at least one', async () => {
    const third = { bytes: Math.ceil(PAGE.bytes / 3) };
    expect(await send({}, forever(), third)).to.include({ sent: 3, next: '3' });
    expect(await send({}, forever(), { bytes: PAGE.bytes * 2 })).to.include({ sent: 1, next: '1' });
  });

  it('is the last one if no row follows', async () => {
    expect(await send({ limit: 5 }, upTo(5))).to.include({ sent: 5, next: null });
    expect(await send({ limit: 5 }, upTo(6))).to.include({ sent: 5, next: '5' });
    expect(await send({}, upTo(1), { bytes: PAGE.bytes })).to.include({ sent: 1, next: null });
    expect(await send({}, upTo(0))).to.include({ sent: 0, next: null });
  });

  it('is the whole list where a list has no pages', async () => {
    expect(await send({}, upTo(12_000), { verb: whole })).to.include({ sent: 12_000, next: null });
  });

  it('leaves it to the verb to refuse a bad limit', async () => {
    expect(await send({ limit: 'x' }, upTo(2))).to.include({ limit: 'x', next: null });
  });
});
