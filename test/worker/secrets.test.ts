// Protects: attempts get current secrets, a refused secret is reported by name, and no error or log shows a value.
import { execFileSync } from 'node:child_process';
import { symlinkSync, writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { BatchctlError } from '../../src/errors.ts';
import type { SecretSource } from '../../src/ports/secret-source.ts';
import { maskSecrets, SecretReader, SecretRefused, type Secrets } from '../../src/worker/secrets.ts';
import { forEachTest } from '../support/fixture.ts';
import { VirtualTime } from '../support/held-time.ts';
import { rejection } from '../support/rejection.ts';
import { Scratch } from '../support/scratch.ts';

/** A service that counts requests, and whose answer a test sets. */
class Service implements SecretSource {
  requests = 0;
  answer: () => Promise<string> = async () => 'hunter2';

  read(): Promise<string> {
    this.requests += 1;
    return this.answer();
  }
}

const denied = (): Promise<string> =>
  Promise.reject(new BatchctlError('credentials', 'ssm:GetParameter on arn:x is denied', { hint: 'let it' }));

describe('secrets of an attempt', () => {
  const wanted = { TOKEN: 'ssm:/prod/token' };
  let service: Service;
  let now: number;
  beforeEach(() => {
    service = new Service();
    now = 1_000;
  });
  const reader = (patienceMs = 0): SecretReader =>
    new SecretReader({ source: service, patienceMs, againMs: 1, monotonic: () => now });

  it('are requested once by attempts that begin together, and again after a minute, so a rotated one is used', async () => {
    const secrets = reader();
    expect(await Promise.all([secrets.read(wanted), secrets.read(wanted)])).to.deep.equal([
      { TOKEN: 'hunter2' },
      { TOKEN: 'hunter2' },
    ]);
    service.answer = async () => 'hunter3';
    now += 59_999;
    expect(await secrets.read(wanted)).to.deep.equal({ TOKEN: 'hunter2' });
    now += 1;
    expect(await secrets.read(wanted)).to.deep.equal({ TOKEN: 'hunter3' });
    expect(service.requests).to.equal(2);
  });

  it('are reported with name and reason if refused, and no old value is used instead', async () => {
    const secrets = reader();
    await secrets.read(wanted);
    now += 60_000;
    service.answer = denied;
    const error = await rejection(secrets.read(wanted));
    expect(error).to.be.instanceOf(SecretRefused);
    expect(error.message).to.equal('secret TOKEN (ssm:/prod/token): ssm:GetParameter on arn:x is denied');
    expect(error).to.include({ kind: 'config', hint: 'let it' });
    service.answer = async () => 'again';
    expect(await secrets.read(wanted)).to.deep.equal({ TOKEN: 'again' });
  });

  it("are requested again after a refusal while the machine's role is new, and no longer", async () => {
    service.answer = async () => (service.requests < 3 ? denied() : 'hunter2');
    expect(await reader(60_000).read(wanted)).to.deep.equal({ TOKEN: 'hunter2' });
    service.answer = async () => {
      now += 30_000;
      return denied();
    };
    expect(await rejection(reader(60_000).read(wanted))).to.be.instanceOf(SecretRefused);
  });

  it('are not treated as refused while the service is unavailable', async () => {
    service.answer = () => Promise.reject(new BatchctlError('unavailable', 'AWS limits the request rate'));
    const error = await rejection(reader().read(wanted));
    expect(error).to.not.be.instanceOf(SecretRefused);
    expect(error).to.include({ kind: 'unavailable' });
  });

  it('are all read when many workers begin together and the service answers only a few each second', async () => {
    const time = new VirtualTime(7);
    try {
      const seconds = new Map<number, number>();
      let reports = 0;
      service.answer = async () => {
        const second = Math.floor(time.monotonic() / 1_000);
        seconds.set(second, (seconds.get(second) ?? 0) + 1);
        if ((seconds.get(second) ?? 0) > 10) throw new BatchctlError('unavailable', 'Rate exceeded');
        return 'hunter2';
      };
      const options = {
        source: service,
        unavailableMs: 1_800_000,
        onUnavailable: () => {
          reports += 1;
        },
      };
      const workers = Array.from({ length: 250 }, () => new SecretReader(options));
      const three = { A: 'ssm:/a', B: 'ssm:/b', C: 'ssm:/c' };
      const read = await time.passUntil(Promise.all(workers.map((worker) => worker.read(three))));
      expect(read.at(-1)).to.deep.equal({ A: 'hunter2', B: 'hunter2', C: 'hunter2' });
      // 750 answers take at least 75 s: as 3,000 do at the 40 a second of SSM.
      expect(time.monotonic()).to.be.within(74_000, 150_000);
      expect(reports, 'each worker reports it once while it lasts').to.be.within(225, 500);
    } finally {
      time.release();
    }
  });

  it("don't delay an attempt that was ended, and the others continue", async () => {
    let answer: (value: string) => void = () => undefined;
    service.answer = () =>
      new Promise((resolve) => {
        answer = resolve;
      });
    const [secrets, end] = [reader(), new AbortController()];
    const [ended, other] = [secrets.read(wanted, end.signal), secrets.read(wanted)];
    end.abort(new Error('drain'));
    expect((await rejection(ended)).message).to.equal('drain');
    answer('hunter2');
    expect(await other).to.deep.equal({ TOKEN: 'hunter2' });
  });

  describe('from the environment and from files', () => {
    const scratch = forEachTest(() => new Scratch());
    const at = (name: string): string => scratch.path(name);
    const file = (name: string): Secrets => ({ A: `file:${at(name)}` });
    const refusal = async (secrets: SecretReader, references: Secrets): Promise<Error> => {
      const error = await rejection(secrets.read(references));
      expect(error).to.be.instanceOf(SecretRefused);
      expect(error.message).to.not.include('ter2');
      return error;
    };
    beforeEach(() => {
      process.env.BATCHCTL_SECRET_TEST = 'of env';
    });
    afterEach(() => {
      delete process.env.BATCHCTL_SECRET_TEST;
    });

    it('are read without their last newline, a file up to 64 KiB', async () => {
      writeFileSync(at('key'), 'line\n\n');
      writeFileSync(at('crlf'), 'line\r\n');
      writeFileSync(at('large'), 'x'.repeat(65_536));
      symlinkSync(at('key'), at('link'));
      const references = { A: 'env:BATCHCTL_SECRET_TEST', B: `file:${at('key')}`, C: `file:${at('link')}` };
      expect(await reader().read(references)).to.deep.equal({ A: 'of env', B: 'line\n', C: 'line\n' });
      expect(await reader().read(file('crlf'))).to.deep.equal({ A: 'line' });
      expect((await reader().read(file('large'))).A).to.have.length(65_536);
    });

    it("that can't be read are refused by name, and the error never quotes a file", async () => {
      writeFileSync(at('binary'), 'hun\0ter2');
      writeFileSync(at('large'), 'hunter2'.repeat(9_363));
      for (const [references, why] of [
        [{ A: 'env:BATCHCTL_NO_SUCH' }, 'has no BATCHCTL_NO_SUCH'],
        [file('none'), `can't read ${at('none')} (ENOENT)`],
        [file('binary'), 'binary'],
        [file('large'), `${at('large')} is larger than 64 KiB`],
        [file('.'), 'is not a regular file'],
        [{ A: 'file:/proc/self/mem' }, "can't read /proc/self/mem (E"],
        [{ A: 'file:/dev/zero' }, '/dev/zero is not a regular file'],
      ] as const) {
        expect((await refusal(reader(), references)).message).to.include(why);
      }
    });

    it("don't wait for the writer of a FIFO", async () => {
      execFileSync('mkfifo', [at('fifo')]);
      expect((await refusal(reader(), file('fifo'))).message).to.include(`${at('fifo')} is not a regular file`);
    });

    it('are read only if the profile allows it; the refusal names reference, worker and the line to add', async () => {
      writeFileSync(at('key'), 'hunter2');
      writeFileSync(at('other'), 'hunter2');
      const allowed = ['env:BATCHCTL_SECRET_*', `file:${at('k*')}`];
      const bounded = new SecretReader({ source: service, allowed, who: 'w-7' });
      const references = { A: 'env:BATCHCTL_SECRET_TEST', B: `file:${at('key')}`, C: 'ssm:/any' };
      expect(await bounded.read(references)).to.deep.equal({ A: 'of env', B: 'hunter2', C: 'hunter2' });
      for (const reference of ['env:PATH', `file:${at('other')}`, `file:${at('key/../other')}`]) {
        const { message } = await refusal(bounded, { A: reference });
        expect(message).to.include(`secret A (${reference}): w-7 `).and.include(`"allowSecrets": ["${reference}"]`);
      }
      await refusal(new SecretReader({ source: service, allowed: [] }), { A: 'env:BATCHCTL_SECRET_TEST' });
    });
  });

  it('are not revealed by the text of an unexpected error', async () => {
    service.answer = () => Promise.reject(new Error('Unexpected token in "hunter2"'));
    expect((await rejection(reader().read(wanted))).message).to.not.include('hunter2');
  });

  it('are masked whole, line by line, and field by field of a JSON document; the longest first', () => {
    const secrets = { A: 'hunter2', B: 'hunter2-longer', C: '{"user":"ana","nested":{"password":"pa55word"}}' };
    expect(maskSecrets('hunter2-longer hunter2 ana pa55word', secrets)).to.equal('**** **** ana ****');
  });
});
