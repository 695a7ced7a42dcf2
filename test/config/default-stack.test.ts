// Protects: two profiles with different buckets never make a stack of the same name, unless they name it.
import { expect } from 'chai';
import fc from 'fast-check';
import { namesOf } from '../../src/config/default-stack.ts';

const stackOf = (bucket: string, prefix?: string): string => namesOf({ bucket, prefix }).stack;

describe("the default name of a profile's stack", () => {
  it("is the bucket's, if a stack may have that name", () => {
    expect(stackOf('acme-month-end')).to.equal('acme-month-end');
    expect(stackOf('a'.repeat(40))).to.equal('a'.repeat(40));
    expect(namesOf({ stack: 'given', bucket: 'acme' })).to.deep.equal({ stack: 'given', bucket: 'acme' });
  });

  it('is also made of the prefix, of other characters, and of the beginning of a long name', () => {
    expect(stackOf('acme-data', 'batchctl/')).to.match(/^acme-data-batchctl-[0-9a-f]{7}$/);
    expect(stackOf('acme.data')).to.match(/^acme-data-[0-9a-f]{7}$/);
    expect(stackOf('2026-data')).to.match(/^b-2026-data-[0-9a-f]{7}$/);
    expect(stackOf('sg-data')).to.match(/^b-sg-data-[0-9a-f]{7}$/);
    expect(stackOf('a'.repeat(41))).to.match(/^a{32}-[0-9a-f]{7}$/);
  });

  it('differs for places that differ only in characters that a stack may not have', () => {
    const places = [
      ['a.b-c'],
      ['a-b.c'],
      ['a.b.c'],
      ['a', 'B-c/'],
      ['a', 'b-c/'],
      ['a', 'b/c/'],
      ['a', '/b/c/'],
    ] as const;
    const names = places.map(([bucket, prefix]) => stackOf(bucket, prefix));
    for (const name of names) expect(name).to.match(/^a-b-c-[0-9a-f]{7}$/);
    expect(new Set(names).size).to.equal(places.length);
  });

  it('names account and region with the bucket, if neither stack nor bucket is given', () => {
    const place = { account: '123456789012', region: 'eu-west-1' };
    const name = 'batchctl-123456789012-eu-west-1';
    expect(namesOf(place)).to.deep.equal({ stack: name, bucket: name });
    expect(namesOf({ ...place, stack: 'x' })).to.deep.equal({ stack: 'x', bucket: 'x-123456789012-eu-west-1' });
  });

  it('is always one that a stack may have, and differs for two buckets, or two prefixes', () => {
    const bucket = fc.stringMatching(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/);
    const prefix = fc.oneof(fc.constant(''), fc.stringMatching(/^[^/\0][^\0]{0,20}\/$/));
    const place = fc.tuple(bucket, prefix);
    fc.assert(
      fc.property(place, place, (one, other) => {
        const [first, second] = [stackOf(...one), stackOf(...other)];
        expect(first).to.match(/^(?!sg-)[a-z][a-z0-9-]{0,39}$/);
        expect(first === second).to.equal(one.join('/') === other.join('/'));
      }),
    );
  });
});
