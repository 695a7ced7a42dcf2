// Protects: the command line and the manager agree on what they send each other.
import { expect } from 'chai';
import type { components } from '../../src/dashboard/api.ts';
import { openApiDocument } from '../../src/manager/http/openapi/document.ts';
import type { CompletionAsked, PartsAsked, PartUrls, UploadAsked, UploadWay } from '../../src/model/api.ts';
import type { PutResult } from '../../src/ports/object-store.ts';
import { describedVerbs } from '../support/manager/described-verbs.ts';

/** What the manager and its client exchange besides verbs, as both declare it. */
interface Exchanged {
  CompletionAsked: CompletionAsked;
  PartUrls: PartUrls;
  PartsAsked: PartsAsked;
  Put: PutResult;
  UploadAsked: UploadAsked;
  UploadWay: UploadWay;
}

/** Without `readonly`, which the document knows nothing of. Of an error's kinds more may come: to a reader it is a text. */
type Plain<T> = T extends string | number | boolean | null | undefined
  ? T
  : T extends readonly (infer Each)[]
    ? Plain<Each>[]
    : { -readonly [K in keyof T]: K extends 'kind' ? string : Plain<T[K]> };

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

type Compared = { [K in keyof Exchanged]: Same<Plain<Exchanged[K]>, Plain<components['schemas'][K]>> };

describe('what a manager and its client exchange', () => {
  it("has the same types in the code and in the API's document", async () => {
    // Where one differs, `false` is what its place takes.
    const compared: Compared = {
      ...{ CompletionAsked: true, PartUrls: true, PartsAsked: true },
      ...{ Put: true, UploadAsked: true, UploadWay: true },
    };
    const { components: made } = openApiDocument(await describedVerbs());
    expect(made).to.have.property('schemas').that.includes.keys(Object.keys(compared));
  });
});
