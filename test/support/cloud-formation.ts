import { loadAwsServiceSpecSync } from '@aws-cdk/aws-service-spec';
import type { StackTemplate, TemplateResource } from '../../src/infra/cloud-formation.ts';
import { isRecord } from '../../src/lib/json.ts';

type Spec = ReturnType<typeof loadAwsServiceSpecSync>;
type ResourceType = ReturnType<ReturnType<Spec['lookup']>['only']>;
type Properties = Extract<ResourceType, { readonly cloudFormationType: string }>['properties'];
type PropertyType = Properties[string]['type'];

let spec: Spec | null = null;

/** AWS's published schemas of resource types. Loading them takes half a second. */
function schemas(): Spec {
  spec ??= loadAwsServiceSpecSync();
  return spec;
}

/** The violations of AWS's published resource schemas, and the references that lead nowhere. */
export function templateMistakes(template: StackTemplate): readonly string[] {
  return Object.entries(template.Resources).flatMap(([id, resource]) => {
    const { properties } = resourceType(resource.Type);
    return [
      ...(/^[A-Za-z0-9]{1,255}$/.test(id) ? [] : [`${id}: not a logical id`]),
      ...recordMistakes(resource.Properties, properties, `${id} (${resource.Type})`),
      ...linkMistakes(resource, id, template),
    ];
  });
}

function resourceType(name: string) {
  return schemas().lookup('resource', 'cloudFormationType', 'equals', name).only();
}

function recordMistakes(value: unknown, properties: Properties, where: string): readonly string[] {
  if (!isRecord(value)) return [`${where}: expected properties, found ${JSON.stringify(value)}`];
  const missing = Object.keys(properties).filter((name) => properties[name]?.required === true && !(name in value));
  return [
    ...missing.map((name) => `${where}.${name}: required`),
    ...Object.entries(value).flatMap(([name, field]) => {
      const known = properties[name];
      return known === undefined ? [`${where}.${name}: unknown`] : mistakes(field, known.type, `${where}.${name}`);
    }),
  ];
}

function mistakes(value: unknown, type: PropertyType, where: string): readonly string[] {
  const unless = (fits: boolean): readonly string[] =>
    fits ? [] : [`${where}: expected ${type.type}, found ${JSON.stringify(value)}`];
  switch (type.type) {
    case 'string':
      if (isIntrinsic(value)) return [];
      if (type.allowedValues === undefined) return unless(typeof value === 'string');
      return unless(type.allowedValues.some((each) => each === value));
    case 'integer':
      return unless(Number.isInteger(value));
    case 'boolean':
      return unless(typeof value === 'boolean');
    case 'json':
      return unless(isRecord(value));
    case 'tag':
      return unless(isRecord(value) && Object.keys(value).sort().join() === 'Key,Value');
    case 'array':
      if (!Array.isArray(value)) return unless(false);
      return value.flatMap((each, at) => mistakes(each, type.element, `${where}[${at}]`));
    case 'ref':
      return recordMistakes(value, schemas().get('typeDefinition', type.reference.$ref).properties, where);
    case 'union':
      return unless(type.types.some((each) => mistakes(value, each, where).length === 0));
    default:
      // No template of batchctl has these types.
      return [`${where}: ${type.type} is not implemented`];
  }
}

/** References to missing resources and attributes, and circles of references. */
function linkMistakes(resource: TemplateResource, id: string, { Resources }: StackTemplate): readonly string[] {
  const links = linksOf(resource);
  return [
    ...links.flatMap(({ to, attribute }) => {
      const target = Resources[to];
      if (target === undefined) return [`${id}: there is no ${to}`];
      const has = attribute === null || attribute in resourceType(target.Type).attributes;
      return has ? [] : [`${id}: ${target.Type} has no attribute ${attribute}`];
    }),
    ...(reaches(id, links) ? [`${id}: depends on itself`] : []),
  ];

  function reaches(goal: string, from: readonly Link[], seen = new Set<string>()): boolean {
    return from.some(({ to }) => {
      if (to === goal) return true;
      const next = Resources[to];
      if (seen.has(to) || next === undefined) return false;
      seen.add(to);
      return reaches(goal, linksOf(next), seen);
    });
  }
}

interface Link {
  readonly to: string;
  readonly attribute: string | null;
}

function linksOf({ DependsOn = [], Properties }: TemplateResource): readonly Link[] {
  const found: Link[] = DependsOn.map((to) => ({ to, attribute: null }));
  visit(Properties);
  return found;

  function visit(value: unknown): void {
    if (Array.isArray(value)) for (const each of value) visit(each);
    if (!isRecord(value)) return;
    const [[name, field] = ['', null], ...others] = Object.entries(value);
    if (others.length === 0 && name === 'Ref') found.push({ to: String(field), attribute: null });
    if (others.length === 0 && name === 'Fn::GetAtt' && Array.isArray(field)) {
      found.push({ to: String(field[0]), attribute: String(field[1]) });
    }
    for (const each of Object.values(value)) visit(each);
  }
}

export interface Deployment {
  readonly partition: string;
  readonly region: string;
  readonly account: string;
  /** The value of a created resource for `Ref` (the attribute is null) or for `Fn::GetAtt`. */
  readonly reference: (id: string, attribute: string | null) => string;
  /** The value of a parameter of Systems Manager. */
  readonly parameter: (name: string) => string;
}

/** A value of a template as CloudFormation fills it in (CloudFormation: intrinsic functions, dynamic references). */
export function resolved(value: unknown, place: Deployment): unknown {
  if (typeof value === 'string') {
    const [, name] = /^\{\{resolve:ssm:(.+)\}\}$/.exec(value) ?? [];
    return name === undefined ? value : place.parameter(name);
  }
  if (Array.isArray(value)) return value.map((each) => resolved(each, place));
  if (!isRecord(value)) return value;
  if (!isIntrinsic(value)) {
    return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, resolved(field, place)]));
  }
  const [[name, field] = ['', null]] = Object.entries(value);
  switch (name) {
    case 'Ref':
      return place.reference(String(field), null);
    case 'Fn::GetAtt': {
      const [id, attribute] = field as readonly [string, string];
      return place.reference(id, attribute);
    }
    case 'Fn::Join': {
      const [between, pieces] = field as readonly [string, readonly unknown[]];
      return pieces.map((piece) => resolved(piece, place)).join(between);
    }
    case 'Fn::Base64':
      return Buffer.from(String(resolved(field, place))).toString('base64');
    default:
      return substituted(String(field), place);
  }
}

/** `Fn::Sub`: `${!x}` stands for `${x}`. */
function substituted(text: string, { partition, region, account }: Deployment): string {
  const known: Readonly<Record<string, string>> = {
    'AWS::Partition': partition,
    'AWS::Region': region,
    'AWS::AccountId': account,
  };
  return text.replace(/\$\{(!?)([^}]*)\}/g, (_, isLiteral: string, name: string) => {
    if (isLiteral !== '') return `\${${name}}`;
    const found = known[name];
    if (found === undefined) throw new Error(`Fn::Sub has no variable ${name}: ${text}`);
    return found;
  });
}

const isIntrinsic = (value: unknown): boolean =>
  isRecord(value) &&
  Object.keys(value).length === 1 &&
  Object.keys(value).every((name) => ['Ref', 'Fn::GetAtt', 'Fn::Sub', 'Fn::Join', 'Fn::Base64'].includes(name));
