// Protects: a service that could not be opened once is opened again, and doesn't prevent an orderly end.

import { expect } from 'chai';
import { OpenMap } from '../../src/lib/once.ts';
import { rejection } from '../support/rejection.ts';

describe('things opened once per name', () => {
  it('are opened again after a failure, and closed once', async () => {
    let [opened, closed] = [0, 0];
    const things = new OpenMap(async (name) => {
      opened += 1;
      if (opened === 1) throw new Error(`no ${name}`);
      const close = async (): Promise<void> => {
        closed += 1;
      };
      return { name, close };
    });
    expect((await rejection(things.get('a'))).message).to.equal('no a');
    expect(await things.get('a')).to.equal(await things.get('a'));
    await things.close();
    await things.close();
    expect([opened, closed]).to.deep.equal([2, 1]);
  });

  it('close without an error if one could not be opened', async () => {
    const things = new OpenMap<{ close(): Promise<void> }>(() => Promise.reject(new Error('no')));
    const failed = rejection(things.get('a'));
    await things.close();
    expect((await failed).message).to.equal('no');
  });
});
