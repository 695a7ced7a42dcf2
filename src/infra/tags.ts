import type { AwsProfile } from '../config/load-config.ts';
import { homeOf } from '../lib/home.ts';
import { GROUP_TAG, HOME_TAG, STACK_TAG } from '../lib/stack-names.ts';
import { type Finding, fail } from '../model/finding.ts';
import type { StackPart } from './resource.ts';

type TaggedProfile = Pick<AwsProfile, 'tags' | 'stack' | 'region' | 'bucket'>;

/** The tags of everything that is made: the profile's own, the stack's name, and its home. */
export const tagsOf = (profile: TaggedProfile): Readonly<Record<string, string>> => ({
  ...profile.tags,
  [STACK_TAG]: profile.stack,
  [HOME_TAG]: homeOf(profile),
});

export const groupTags = (profile: TaggedProfile, group: string): Readonly<Record<string, string>> => ({
  ...tagsOf(profile),
  [GROUP_TAG]: group,
});

/** Each wanted tag that is missing or differs, for people. */
export function tagDifferences(
  found: Readonly<Record<string, string | undefined>>,
  wanted: Readonly<Record<string, string>>,
): readonly string[] {
  return Object.entries(wanted).flatMap(([name, value]) =>
    found[name] === value ? [] : [`tag ${name} ${found[name] === undefined ? '' : `${found[name]} → `}${value}`],
  );
}

/** The tags that a service accepts: the characters and the longest key, by its API's model. */
interface TagRules {
  readonly service: string;
  readonly characters: RegExp;
  /** Characters of a key; the configuration's schema allows 128, and values of 256, as most services do. */
  readonly longest: number;
  /** Whether keys that differ only in case are the same (IAM: id_tags). */
  readonly foldsCase: boolean;
}

/** By the models of `iam` (tagKeyType, tagValueType) and `s3control` (TagKeyString, TagValueString). */
const PLAIN = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u;
/** By the model of `autoscaling` (TagKey, TagValue), whose groups tag EC2's resources; EC2's own has no pattern. */
const XML = /^[\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}\r\n\t]*$/u;

const IAM: TagRules = { service: 'IAM', characters: PLAIN, longest: 128, foldsCase: true };
const S3: TagRules = { service: 'S3', characters: PLAIN, longest: 128, foldsCase: false };
/** By the model of `ec2` (Tag): 127. */
const EC2: TagRules = { service: 'EC2', characters: XML, longest: 127, foldsCase: false };

/** Tags that a service would refuse only in the middle of `up`. The configuration checks their number. */
export function validateTags(profile: AwsProfile, makes: (part: StackPart) => boolean): readonly Finding[] {
  const takers = tagRulesOf(profile, makes);
  const found = Object.entries(profile.tags).flatMap(([name, value]) => [
    ...wrongText(`the name ${JSON.stringify(name)}`, name, takers),
    ...wrongText(`the value ${JSON.stringify(value)} of ${name}`, value, takers),
    ...takers
      .filter(({ longest }) => [...name].length > longest)
      .map(
        ({ service, longest }) => `the name ${name} has ${[...name].length} characters, ${service} takes ${longest}`,
      ),
  ]);
  const fix = 'correct tags of the profile: letters, digits, spaces and _ . : / = + - @ are accepted everywhere';
  return [...found, ...caseDuplicates(profile, takers)].map((text) => fail(`tags: ${text}`, fix));
}

function tagRulesOf({ iam, manager, bucket }: AwsProfile, makes: (part: StackPart) => boolean): readonly TagRules[] {
  const makesRole = iam.workerProfile === null || (manager !== null && iam.managerProfile === null);
  return [
    ...(makes('iam') && makesRole ? [IAM] : []),
    ...(makes('data') && !bucket.existing ? [S3] : []),
    ...(makes('grid') || (makes('manager') && manager !== null) ? [EC2] : []),
  ];
}

function wrongText(what: string, text: string, takers: readonly TagRules[]): readonly string[] {
  if (/^aws:/i.test(text)) return [`${what} begins with aws:, which is AWS's own`];
  const refusing = takers.filter(({ characters }) => !characters.test(text));
  const [first] = refusing;
  if (first === undefined) return [];
  const wrong = [...text].find((character) => !first.characters.test(character));
  return [`${what} has ${JSON.stringify(wrong)}, refused by ${refusing.map(({ service }) => service).join(', ')}`];
}

function caseDuplicates(profile: AwsProfile, takers: readonly TagRules[]): readonly string[] {
  if (!takers.some(({ foldsCase }) => foldsCase)) return [];
  const names = Object.keys(tagsOf(profile));
  return names.flatMap((name, at) => {
    const twin = names.slice(0, at).find((other) => other.toLowerCase() === name.toLowerCase());
    return twin === undefined ? [] : [`${twin} and ${name} are the same name to IAM`];
  });
}

export const toTagList = (tags: Readonly<Record<string, string>>): { Key: string; Value: string }[] =>
  Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));

export type TagList = readonly { readonly Key?: string | undefined; readonly Value?: string | undefined }[] | undefined;

export const fromTagList = (tags: TagList = []): Readonly<Record<string, string>> =>
  Object.fromEntries(tags.map(({ Key = '', Value = '' }) => [Key, Value]));
