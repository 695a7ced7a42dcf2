import type { ServerResponse } from 'node:http';
import type { CloudRequest, Reply } from './front.ts';
import { escapeXml } from './query.ts';
import { errorXml } from './scaling/scaling.ts';

/** What happens to a request. `hang`: it is never answered. `lost`: it is carried out, and never answered. */
type Fault =
  | { readonly kind: 'none' | 'hang' | 'lost' }
  | { readonly kind: 'answer'; readonly status: number; readonly code: string; readonly message: string };

export type Match = string | ((call: CloudRequest) => boolean);

/**
 * From some request on, none passes. `refuse`: they are answered with an error that clients don't retry. `hang`: they are
 * never answered. `lost`: the first one is carried out but not answered, and the others hang.
 */
export type CutKind = 'refuse' | 'hang' | 'lost';

export interface Cut {
  /** The first request that did not pass. */
  readonly met: Promise<CloudRequest>;

  end(): void;
}

interface CutState {
  left: number;
  hit: boolean;
  readonly kind: CutKind;
  readonly meet: (call: CloudRequest) => void;
}

/** Faults between callers and services. */
export class Faults {
  readonly #isCutOff: (accessKeyId: string) => boolean;
  readonly #held = new Set<{ readonly call: CloudRequest; readonly answer: ServerResponse }>();
  readonly #failing: { left: number; readonly match: Match; readonly fault: Fault }[] = [];
  #cut: CutState | null = null;

  constructor(isCutOff: (accessKeyId: string) => boolean) {
    this.#isCutOff = isCutOff;
  }

  meet(call: CloudRequest): Fault {
    if (this.#isCutOff(call.accessKeyId)) return { kind: 'hang' };
    const cut = this.#cut;
    if (cut !== null) {
      if (cut.left <= 0) return this.#refuse(call, cut);
      cut.left -= 1;
    }
    const rule = this.#failing.find(({ left, match }) => left > 0 && matches(match, call));
    if (rule === undefined) return { kind: 'none' };
    rule.left -= 1;
    return rule.fault;
  }

  get held(): number {
    return this.#held.size;
  }

  /** Withholds an answer until its connection is dropped. */
  hold(call: CloudRequest, answer: ServerResponse): void {
    const held = { call, answer };
    this.#held.add(held);
    answer.once('close', () => this.#held.delete(held));
  }

  /** Breaks the connections of held requests that match. */
  drop(matching: (call: CloudRequest) => boolean): void {
    for (const { call, answer } of this.#held) if (matching(call)) answer.destroy();
  }

  cutAfter(requests: number, kind: CutKind): Cut {
    let meet: (call: CloudRequest) => void = () => undefined;
    const met = new Promise<CloudRequest>((resolve) => {
      meet = resolve;
    });
    const cut: CutState = { left: requests, kind, meet, hit: false };
    this.#cut = cut;
    const end = (): void => {
      if (this.#cut === cut) this.#cut = null;
      this.drop(() => true);
    };
    return { met, end };
  }

  failNext(match: Match, status: number, code: string, message: string, times: number): void {
    this.#failing.push({ left: times, match, fault: { kind: 'answer', status, code, message } });
  }

  #refuse(call: CloudRequest, cut: CutState): Fault {
    const first = !cut.hit;
    cut.hit = true;
    cut.meet(call);
    if (cut.kind === 'refuse') return { kind: 'answer', status: 400, code: 'CutOff', message: 'nothing goes through' };
    return { kind: cut.kind === 'lost' && first ? 'lost' : 'hang' };
  }
}

/** A match is `service:Action`, or a function. */
const matches = (match: Match, call: CloudRequest): boolean =>
  typeof match === 'string' ? match === `${call.service}:${call.action}` : match(call);

const JSON_SERVICES = ['sqs', 'ssm', 'secretsmanager', 'kms', 'monitoring', 'events', 'scheduler', 'servicequotas'];

/** An error in the format of the service. */
export function errorFor(service: string, status: number, code: string, message: string): Reply {
  if (JSON_SERVICES.includes(service)) {
    const body = Buffer.from(JSON.stringify({ __type: code, message }));
    // Query-compatible services send the older code in a header (AWS JSON 1.0).
    const headers = { 'content-type': 'application/x-amz-json-1.0', 'x-amzn-query-error': `${code};Sender` };
    return { status, headers, body };
  }
  const error = `<Error><Code>${code}</Code><Message>${escapeXml(message)}</Message></Error>`;
  const response = `<Response><Errors>${error}</Errors><RequestID>r</RequestID></Response>`;
  const bodies: Readonly<Record<string, string>> = { s3: error, ec2: response, sdb: response };
  const body = Buffer.from(bodies[service] ?? errorXml(code, message));
  return { status, headers: { 'content-type': 'text/xml' }, body };
}
