import { resolve } from 'node:path';
import { BatchctlError } from '../../errors.ts';
import { type DeliverTo, type JobSpec, sectionStart } from '../../model/job.ts';
import { isS3Uri, parseS3Uri } from '../../model/s3-uri.ts';
import { substitute } from '../../model/substitute.ts';
import { checkNamePattern, differsByTask, equalNamesCheck, type NameCheck, refuseEqualNames } from '../fetch/names.ts';
import { MANIFEST } from '../fetch/place.ts';
import { refuseForeignLinks } from '../fetch/target.ts';

/**
 * Where a job's outputs will be delivered, with `{period}` and parameters filled in; `{job}` stays, because the id is
 * not known yet. Null for a job without a delivery. Throws `jobFile` for mistakes that would otherwise fail only after
 * the job is done, and `refused` for a directory that another user's link leads to.
 */
export function deliverPlace(
  spec: JobSpec,
  directory: string,
  params: Readonly<Record<string, string>>,
): string | null {
  if (spec.deliver === null) return null;
  const { to, name, marker } = spec.deliver;
  const place = substitute(to, { ...params, job: '{job}' }, { field: 'deliver.to', unknown: 'error' });
  checkNames(spec, name);
  if (marker === MANIFEST) throw wrong('marker', `${MANIFEST} is reserved for batchctl`, 'use a name such as _SUCCESS');
  if (isS3Uri(place)) {
    if (parseS3Uri(place) === null) throw wrong('to', `expected s3://BUCKET/PREFIX, found ${place}`, 'correct it');
    return place.endsWith('/') ? place : `${place}/`;
  }
  if (/^[a-z][a-z0-9+.-]*:/.test(place)) {
    throw wrong(
      'to',
      `expected a directory or s3://BUCKET/PREFIX, found ${place}`,
      "outputs can't be delivered anywhere else",
    );
  }
  const path = resolve(directory, place);
  refuseForeignLinks(path, `deliver.to ${place}`);
  return path;
}

/** The place as stored in job.json: with the job's id and, for a directory, the machine that has it. */
export function recordedPlace(place: string | null, job: string, host: string): DeliverTo | null {
  if (place === null) return null;
  return { place: place.replaceAll('{job}', job), host: isS3Uri(place) ? null : host };
}

function checkNames(spec: JobSpec, pattern: string): void {
  const index = spec.steps.length - 1;
  ofDelivery(() => {
    checkNamePattern(pattern, spec, index);
    refuseEqualNames(spec, pattern);
  });
  const step = spec.steps[index];
  const gathered = spec.steps[sectionStart(spec.steps, index)]?.gather === true;
  if (step === undefined || gathered || differsByTask(pattern)) return;
  throw wrong('name', `${pattern} gives all outputs of ${step.name} the same name`, 'add {task} to it');
}

/** As `equalNamesCheck`, of the names in `deliver.name`: throws `jobFile`. Null without a delivery, too. */
export function deliveredNamesCheck(job: Parameters<typeof equalNamesCheck>[0]): NameCheck | null {
  const { deliver } = job.spec;
  const check = deliver === null ? null : equalNamesCheck(job, deliver.name);
  return check === null ? null : (input, params) => ofDelivery(() => check(input, params));
}

function ofDelivery(check: () => void): void {
  try {
    check();
  } catch (cause) {
    if (!(cause instanceof Error)) throw cause;
    throw new BatchctlError('jobFile', `deliver.name: ${cause.message}`, {
      hint: 'see deliver in docs/job-file.md',
      cause,
    });
  }
}

const wrong = (field: string, found: string, hint: string): BatchctlError =>
  new BatchctlError('jobFile', `deliver.${field}: ${found}`, { hint });
