import { RELEASE_TAG } from '../../lib/stack-names.ts';
import type { Imds } from './imds.ts';

/** What an instance's metadata tells of itself, the same as long as it lives. */
export interface MachineFacts {
  readonly instance: string;
  readonly type: string;
  readonly zone: string;
  readonly lifeCycle: 'spot' | 'on-demand';
  readonly release: string | null;
  /** Milliseconds since the epoch; null where the identity document doesn't say. */
  readonly launchedAt: number | null;
}

/** Throws `unavailable`. */
export async function readFacts(imds: Imds): Promise<MachineFacts> {
  const [instance, type, zone, lifeCycle, release, identity] = await Promise.all([
    imds.get('meta-data/instance-id'),
    imds.get('meta-data/instance-type'),
    imds.get('meta-data/placement/availability-zone'),
    imds.get('meta-data/instance-life-cycle'),
    // Nothing is there unless the template says InstanceMetadataTags (EC2: work-with-tags-in-IMDS).
    imds.get(`meta-data/tags/instance/${RELEASE_TAG}`),
    imds.get('dynamic/instance-identity/document'),
  ]);
  return {
    instance: instance ?? '',
    type: type ?? '',
    zone: zone ?? '',
    lifeCycle: lifeCycle === 'spot' ? 'spot' : 'on-demand',
    release,
    launchedAt: launchIn(identity),
  };
}

/** When EC2 took the launch in hand, to the second (EC2: instance-identity-documents, pendingTime). */
function launchIn(document: string | null): number | null {
  const [, time = ''] = /"pendingTime"\s*:\s*"([^"]+)"/.exec(document ?? '') ?? [];
  const at = Date.parse(time);
  return Number.isNaN(at) ? null : at;
}
