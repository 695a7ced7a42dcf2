// Protects: a process that S3 throttles slows down, returns to full speed, and never looks as if it hung.
import { expect } from 'chai';
import { RateLimits, rateAfter, type Sendable } from '../../../src/adapters/aws/rate-limits.ts';
import { forEachTest } from '../../support/fixture.ts';
import { HeldTime } from '../../support/held-time.ts';

const PUT: Sendable = { method: 'PUT', hostname: 'acme.s3.eu-west-1.amazonaws.com' };

/** A server's requests in one second. */
interface Second {
  sent: number;
  refused: number;
}

describe('request rates for S3', () => {
  it('fall by 30 % at once, recover within seconds, and then grow ever faster', () => {
    const at = (refused: number, ...seconds: readonly number[]): readonly number[] =>
      seconds.map((each) => Math.round(rateAfter(refused, each * 1_000)));
    expect(at(1_000, 0, 9, 10, 20)).to.deep.equal([700, 1_000, 1_000, 1_520]);
    expect(at(10, 0, 2, 5, 10)).to.deep.equal([7, 10, 21, 218]);
    expect(at(0, 0, 1, 5, 10), 'never below one').to.deep.equal([1, 1, 50, 400]);
  });

  describe('while time is held', () => {
    const time = forEachTest(() => new HeldTime());
    const limits = forEachTest(() => new RateLimits(() => time.now()));

    /** Makes one request, answered a millisecond later. Returns its status and how long it was held. */
    async function send(status: () => number, request = PUT): Promise<{ status: number; held: number }> {
      const began = time.now();
      if (limits.isOn) await limits.waitForTurn(request);
      const held = time.now() - began;
      await new Promise((resolve) => setTimeout(resolve, 1));
      const answer = status();
      limits.recordStatus(request, answer);
      return { status: answer, held };
    }

    /** The longest time that one of these requests, sent at once, is held. */
    async function longestHold(count: number, status: () => number = () => 200, request = PUT): Promise<number> {
      const answers = Promise.all(Array.from({ length: count }, () => send(status, request)));
      return Math.max(...(await time.passUntil(answers)).map(({ held }) => held));
    }

    /**
     * Runs this many clients that send requests all the time, to a server that accepts `rate()` requests a second.
     * Returns the server's requests by second.
     */
    async function simulate(
      clients: number,
      seconds: number,
      rate: (second: number) => number,
    ): Promise<readonly Second[]> {
      const seen: Second[] = Array.from({ length: seconds + 1 }, () => ({ sent: 0, refused: 0 }));
      const began = time.now();
      const status = (): number => {
        const second = Math.floor((time.now() - began) / 1_000);
        const counts = seen[second] ?? { sent: 0, refused: 0 };
        counts.sent += 1;
        const isRefused = counts.sent - counts.refused > rate(second);
        if (isRefused) counts.refused += 1;
        return isRefused ? 503 : 200;
      };
      const client = async (): Promise<void> => {
        while (time.now() - began < seconds * 1_000) {
          const { status: answer } = await send(status);
          // Approximately as QuotaFreeRetries waits.
          await new Promise((resolve) => setTimeout(resolve, answer === 503 ? 250 : 9));
        }
      };
      await time.passUntil(Promise.all(Array.from({ length: clients }, client)));
      return seen.slice(0, seconds);
    }
    const sum = (seconds: readonly Second[], field: keyof Second): number =>
      seconds.reduce((total, second) => total + second[field], 0);

    it('stay close to the rate that a partition accepts, with few rejections, and are unlimited again once it accepts more', async () => {
      // Ten clients could send a thousand a second.
      const seen = await simulate(10, 40, (second) => (second < 20 ? 100 : 10_000));
      const settled = seen.slice(5, 20);
      expect((sum(settled, 'sent') - sum(settled, 'refused')) / 15).to.be.within(70, 100);
      expect(sum(settled, 'refused') / sum(settled, 'sent')).to.be.below(0.1);
      expect(seen[39]?.sent).to.be.above(800);
      await time.pass(25_000);
      await limits.waitForTurn(PUT);
      expect(limits.isOn).to.equal(false);
    });

    it('fall to a trickle if a store refuses everything; no request is held for more than five seconds', async () => {
      const refused = await simulate(20, 30, () => 0);
      expect(sum(refused.slice(15), 'sent') / 15).to.be.below(8);
      expect(await longestHold(20)).to.be.within(1_000, 5_001);
      const after = await simulate(20, 15, () => 10_000);
      expect(after[14]?.sent).to.be.above(1_000);
    });

    it('apply to the reads or writes of one bucket, and only a rejection limits them', async () => {
      for (const status of [200, 404, 412, 500]) limits.recordStatus(PUT, status);
      expect(limits.isOn).to.equal(false);
      await simulate(20, 10, () => 0);
      expect(limits.isOn).to.equal(true);
      const others = [
        { ...PUT, method: 'GET' },
        { ...PUT, method: 'HEAD' },
        { ...PUT, hostname: 'other.s3' },
      ];
      for (const other of others) expect(await longestHold(1, () => 200, other), other.method).to.be.below(2);
      const deletes = { ...PUT, method: 'DELETE' };
      expect(await longestHold(4, () => 200, deletes), 'a delete is a write').to.be.above(500);
    });

    it('are not limited by a single rejection', async () => {
      let answers = 0;
      expect(await longestHold(50, () => (answers++ === 0 ? 503 : 200))).to.be.below(2);
      await time.pass(600);
      expect(await longestHold(50)).to.be.below(2);
    });

    it('release requests whose signal aborts, and all requests when their clients close', async () => {
      await simulate(20, 10, () => 0);
      const end = new AbortController();
      const waiting = Array.from({ length: 8 }, () => limits.waitForTurn(PUT, end.signal));
      const past = limits.waitForTurn(PUT, AbortSignal.abort());
      const last = limits.waitForTurn(PUT);
      await past;
      end.abort();
      await Promise.all(waiting);
      limits.close();
      await last;
      expect(limits.isOn).to.equal(false);
    });
  });
});
