// Protects: a service that could not be opened is tried again, and doesn't prevent an orderly end.
import { expect } from 'chai';
import { OpenMap } from '../../src/lib/once.ts';
import { rejection } from '../support/rejection.ts';

describe('services that are opened once per name', () => {
  it('are opened again after a failure, and closed once', async () => {
    let [opened, closed] = [0, 0];
    const services = new OpenMap(async (name) => {
      opened += 1;
      if (opened === 1) throw new Error(`no ${name}`);
      const close = async (): Promise<void> => {
        closed += 1;
      };
      return { name, close };
    });
    expect((await rejection(services.get('a'))).message).to.equal('no a');
    expect(await services.get('a')).to.equal(await services.get('a'));
    await services.close();
    await services.close();
    expect([opened, closed]).to.deep.equal([2, 1]);
  });

  it('close without an error if one could not be opened', async () => {
    const services = new OpenMap<{ close(): Promise<void> }>(() => Promise.reject(new Error('no')));
    const error = rejection(services.get('a'));
    await services.close();
    expect((await error).message).to.equal('no');
  });
});
