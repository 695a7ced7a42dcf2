import { randomUUID } from 'node:crypto';
import { escapeXml, Form, invalid, QueryError, type Shape, toXml } from '../query.ts';
import { ACTIONS } from './actions.ts';
import { Engine, type Pace, type Watchers } from './engine.ts';
import type { Group } from './groups.ts';
import { Launcher } from './launcher.ts';

export type Actions = Readonly<
  Record<string, (scaling: Scaling, form: Form, region: string) => Shape | Promise<Shape>>
>;

interface ScalingOptions {
  /** The URL of EC2 and IAM. */
  readonly url: string;
  readonly account: string;
  readonly pace: Pace;
  readonly watchers: Watchers;
  /** Whether EC2 doesn't know an instance profile yet that exists in IAM. */
  isNewProfile(name: string): boolean;
  /** Called with each action's answer. */
  onAnswer?(action: string, answer: Shape): void;
}

interface QueryAnswer {
  readonly status: number;
  readonly body: string;
}

/** Amazon EC2 Auto Scaling, with its query API of 2011-01-01. */
export class Scaling {
  readonly account: string;
  readonly groups = new Map<string, Group>();
  readonly engine: Engine;
  readonly launcher: Launcher;
  readonly isNewProfile: (name: string) => boolean;
  readonly #onAnswer: ScalingOptions['onAnswer'];

  constructor({ url, account, pace, watchers, isNewProfile, onAnswer }: ScalingOptions) {
    this.account = account;
    this.launcher = new Launcher(url);
    this.engine = new Engine(this.launcher, watchers, pace);
    this.isNewProfile = isNewProfile;
    this.#onAnswer = onAnswer;
  }

  /** The group that `AutoScalingGroupName` names. */
  need(form: Form): Group {
    return this.needNamed(form.need('AutoScalingGroupName'));
  }

  needNamed(name: string): Group {
    const group = this.groups.get(name);
    if (group === undefined) throw invalid(`AutoScalingGroup name not found - AutoScalingGroup '${name}' not found`);
    return group;
  }

  async answer(body: string, region: string): Promise<QueryAnswer> {
    const form = Form.parse(body);
    const name = form.text('Action') ?? '';
    try {
      const action = ACTIONS[name];
      if (action === undefined)
        throw new QueryError('InvalidAction', `The action ${name} is not valid for this endpoint.`);
      const result = (await action(this, form, region)) ?? {};
      this.#onAnswer?.(name, result);
      return {
        status: 200,
        body: wrap(`${name}Response`, `<${name}Result>${toXml(result)}</${name}Result>${metadata()}`),
      };
    } catch (error) {
      if (!(error instanceof QueryError)) throw error;
      return { status: error.status, body: errorXml(error.code, error.message) };
    }
  }

  close(): void {
    this.engine.timers.close();
    this.launcher.close();
  }
}

/** An error in the format of the query protocol. */
export const errorXml = (code: string, message: string): string =>
  wrap(
    'ErrorResponse',
    `<Error><Type>Sender</Type><Code>${code}</Code><Message>${escapeXml(message)}</Message></Error><RequestId>${randomUUID()}</RequestId>`,
  );

const wrap = (root: string, inner: string): string =>
  `<${root} xmlns="http://autoscaling.amazonaws.com/doc/2011-01-01/">${inner}</${root}>`;

const metadata = (): string => `<ResponseMetadata><RequestId>${randomUUID()}</RequestId></ResponseMetadata>`;
