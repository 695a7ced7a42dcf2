// Protects: an emulated service that answers otherwise than AWS's model says is noticed, whatever the protocol.
import { expect } from 'chai';
import { compare } from './answers.ts';
import type { CloudCall } from './grid/front.ts';
import { installed } from './run/lacking.ts';
import { parseXml } from './xml.ts';

/** A request to a service: of S3 with a method and a path, of others with an action. */
const requestOf = (service: string, action: string): CloudCall => {
  const [method = '', path = '/'] = service === 's3' ? action.split(' ') : ['POST'];
  const url = new URL(path, 'http://aws');
  const headers = action.endsWith(' copied') ? { 'x-amz-copy-source': 'b/other' } : {};
  return { method, url, headers, body: '', status: 0, service, action, region: '', accessKeyId: '' };
};

const found = (service: string, action: string, body: string | object, status = 200, headers = {}) => {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return compare(requestOf(service, action), { status, headers, body: Buffer.from(text) });
};

const GROUP =
  '<AutoScalingGroupName>a</AutoScalingGroupName><MinSize>0</MinSize><MaxSize>2</MaxSize><DesiredCapacity>1</DesiredCapacity>' +
  '<DefaultCooldown>300</DefaultCooldown><AvailabilityZones><member>us-east-1a</member></AvailabilityZones>' +
  '<HealthCheckType>EC2</HealthCheckType><CreatedTime>2026-11-30T06:00:00.000Z</CreatedTime>';
const groups = (inside: string): string =>
  `<DescribeAutoScalingGroupsResponse><DescribeAutoScalingGroupsResult>${inside}</DescribeAutoScalingGroupsResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></DescribeAutoScalingGroupsResponse>`;
const group = (inside: string): string => groups(`<AutoScalingGroups><member>${inside}</member></AutoScalingGroups>`);
const listing = (inside: string): string =>
  `<?xml version="1.0"?>\n<ListBucketResult xmlns="x">\n <Name>b</Name>${inside}<Contents><Key>a &amp; b</Key></Contents></ListBucketResult>`;
const selected = (inside: string): string =>
  `<SelectResponse><SelectResult>${inside}</SelectResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></SelectResponse>`;
const instances = (inside: string): string =>
  `<DescribeInstancesResponse><requestId>r</requestId><reservationSet><item><instancesSet><item>${inside}</item></instancesSet></item></reservationSet></DescribeInstancesResponse>`;
const MESSAGE = { MessageId: 'm', ReceiptHandle: 'r', Body: 'b', Attributes: { SentTimestamp: '1' } };

type Case = readonly [...Parameters<typeof found>];

const TRUE: readonly Case[] = [
  ['autoscaling', 'DescribeAutoScalingGroups', group(GROUP)],
  ['autoscaling', 'DescribeAutoScalingGroups', groups('<AutoScalingGroups/>')],
  ['ec2', 'DescribeInstances', instances('<instanceId>i-1</instanceId><ebsOptimized>false</ebsOptimized>')],
  ['sdb', 'Select', selected('<Item><Name>n</Name><Attribute><Name>a</Name><Value>1</Value></Attribute></Item>')],
  ['sqs', 'ReceiveMessage', { Messages: [MESSAGE] }],
  ['sqs', 'ReceiveMessage', {}],
  ['sqs', 'GetQueueUrl', { __type: 'com.amazonaws.sqs#QueueDoesNotExist' }, 400],
  ['kms', 'DescribeKey', { __type: 'NotFoundException', message: '' }, 400],
  ['s3', 'GET /b?list-type=2', listing('<KeyCount>1</KeyCount>')],
  ['s3', 'GET /b?location', '<LocationConstraint xmlns="x">eu-west-1</LocationConstraint>'],
  ['s3', 'GET /b?location', '<LocationConstraint/>'],
  ['s3', 'GET /b/k', 'any <bytes', 206, { 'x-amz-meta-own': '1', 'last-modified': 'Mon, 30 Nov 2026 06:00:00 GMT' }],
  ['s3', 'GET /b/k', '', 304],
  ['s3', 'HEAD /b/k', '', 404],
  ['s3', 'PUT /b/k copied', '<CopyObjectResult><ETag>e</ETag></CopyObjectResult>'],
  ['s3', 'GET /b/k', '<Error><Code>NoSuchKey</Code><Message><![CDATA[a < b]]></Message></Error>', 404],
];

const UNTRUE: readonly (readonly [...Case, readonly string[]])[] = [
  // Members.
  [
    'autoscaling',
    'DescribeAutoScalingGroups',
    group(`${GROUP}<Size>1</Size>`),
    200,
    {},
    ['AutoScalingGroups[] has <Size>, which is unknown'],
  ],
  [
    'autoscaling',
    'DescribeAutoScalingGroups',
    group(GROUP.replace(/<MinSize>.*?<.MinSize>/, '')),
    200,
    {},
    ['AutoScalingGroups[] has no MinSize'],
  ],
  ['autoscaling', 'DescribeAutoScalingGroups', groups(''), 200, {}, ['the answer has no AutoScalingGroups']],
  ['sqs', 'ReceiveMessage', { Messages: [{ ...MESSAGE, Priority: 1 }] }, 200, {}, ['Messages[].Priority is unknown']],
  ['sqs', 'SendMessageBatch', { Successful: [] }, 200, {}, ['the answer has no Failed']],
  ['s3', 'GET /b?list-type=2', listing('<Count>1</Count>'), 200, {}, ['the answer has <Count>, which is unknown']],
  ['s3', 'GET /b/k', '', 200, { 'x-amz-colour': 'red' }, ['the header x-amz-colour is unknown']],
  ['s3', 'PUT /b/k', '<PutObjectResult/>', 200, {}, ['the body has bytes, expected none']],
  // Types and formats.
  [
    'autoscaling',
    'DescribeAutoScalingGroups',
    group(GROUP.replace('<MinSize>0', '<MinSize>none')),
    200,
    {},
    ['AutoScalingGroups[].MinSize is "none", expected a whole number'],
  ],
  [
    'autoscaling',
    'DescribeAutoScalingGroups',
    group(GROUP.replace(/2026.*Z/, '1796018400')),
    200,
    {},
    ['AutoScalingGroups[].CreatedTime is "1796018400", expected a time such as 2026-11-30T06:00:00Z'],
  ],
  [
    'ec2',
    'DescribeInstances',
    instances('<ebsOptimized>True</ebsOptimized>'),
    200,
    {},
    ['Reservations[].Instances[].EbsOptimized is "True", expected true or false'],
  ],
  [
    'ec2',
    'DescribeInstances',
    instances('<architecture>arm</architecture>'),
    200,
    {},
    ['Reservations[].Instances[].Architecture is "arm", which is unknown'],
  ],
  [
    'ec2',
    'DescribeInstances',
    instances('<instanceId><id>i</id></instanceId>'),
    200,
    {},
    ['Reservations[].Instances[].InstanceId has <id>, expected a string'],
  ],
  [
    'sqs',
    'ReceiveMessage',
    { Messages: MESSAGE },
    200,
    {},
    [`Messages is ${JSON.stringify(MESSAGE)}, expected a list`],
  ],
  [
    'sqs',
    'ReceiveMessage',
    { Messages: [{ ...MESSAGE, Body: 1 }] },
    200,
    {},
    ['Messages[].Body is 1, expected a string'],
  ],
  [
    'sqs',
    'ReceiveMessage',
    { Messages: [{ ...MESSAGE, Attributes: { Colour: 'red' } }] },
    200,
    {},
    ['Messages[].Attributes\'s key is "Colour", which is unknown'],
  ],
  [
    'secretsmanager',
    'DescribeSecret',
    { CreatedDate: '2026-11-30T06:00:00Z' },
    200,
    {},
    ['CreatedDate is "2026-11-30T06:00:00Z", expected a timestamp'],
  ],
  [
    'kms',
    'DescribeKey',
    { KeyMetadata: { KeyId: 'k', Enabled: null } },
    200,
    {},
    ['KeyMetadata.Enabled is null, expected a boolean'],
  ],
  [
    's3',
    'GET /b/k',
    '',
    200,
    { 'last-modified': '2026-11-30T06:00:00Z' },
    ['last-modified is "2026-11-30T06:00:00Z", expected a time such as Mon, 30 Nov 2026 06:00:00 GMT'],
  ],
  // Names of elements.
  [
    'autoscaling',
    'DescribeAutoScalingGroups',
    groups(`<AutoScalingGroups><item>${GROUP}</item></AutoScalingGroups>`),
    200,
    {},
    ['AutoScalingGroups has <item>, expected <member>'],
  ],
  [
    'autoscaling',
    'DescribeAutoScalingGroups',
    group(GROUP).replaceAll('GroupsResponse', 'GroupsAnswer'),
    200,
    {},
    ['the root is <DescribeAutoScalingGroupsAnswer>'],
  ],
  [
    'autoscaling',
    'DescribeAutoScalingGroups',
    group(GROUP).replaceAll('GroupsResult', 'GroupsOutcome'),
    200,
    {},
    ['the answer has 0 <DescribeAutoScalingGroupsResult>'],
  ],
  ['sdb', 'Select', selected('<Items><Item/></Items>'), 200, {}, ['the answer has <Items>, which is unknown']],
  ['s3', 'GET /b?list-type=2', listing('<Name>c</Name>'), 200, {}, ['Name is there 2 times']],
  ['s3', 'GET /b?list-type=2', listing('b'), 200, {}, ['the answer has the text "b"']],
  [
    's3',
    'GET /b?list-type=2',
    '<ListBucketResult>',
    200,
    {},
    ["the body can't be read: SyntaxError: no XML: <ListBucketResult>"],
  ],
  // Errors and statuses.
  ['sqs', 'GetQueueUrl', { __type: 'NoSuchQueue' }, 400, {}, ['the error NoSuchQueue is unknown']],
  ['sqs', 'GetQueueUrl', { message: 'no' }, 400, {}, ['the error has no code where its protocol has it']],
  [
    'iam',
    'GetRole',
    '<ErrorResponse><Error><Code>NoSuchEntity</Code></Error></ErrorResponse>',
    400,
    {},
    ['the error NoSuchEntity has status 400, expected 404'],
  ],
  [
    'iam',
    'GetRole',
    '<Error><Code>NoSuchEntity</Code></Error>',
    404,
    {},
    ['the error has no code where its protocol has it'],
  ],
  ['s3', 'GET /b/k', '<Error><Code>NoSuchThing</Code></Error>', 404, {}, ['the error NoSuchThing is unknown']],
  ['s3', 'DELETE /b/k', '', 200, {}, ['the status is 200, expected 204']],
  ['sqs', 'TakeMessage', {}, 200, {}, ['the operation is unknown']],
];

describe('answers of emulated services', () => {
  before(() => installed('python3-moto'));

  it('are as the models say in each protocol', () => {
    for (const each of TRUE) expect(found(...each).found, JSON.stringify(each)).to.deep.equal([]);
  });

  it('are noticed if they are not', () => {
    for (const [service, action, body, status, headers, wrong] of UNTRUE) {
      const { kind, found: departures } = found(service, action, body, status, headers);
      expect(departures, JSON.stringify(body)).to.deep.equal(wrong.map((each) => `${kind}: ${each}`));
    }
  });

  it('of S3 belong to the operation of the request', () => {
    for (const [request, operation] of [
      ['GET /', 'ListBuckets'],
      ['GET /b', 'ListObjects'],
      ['GET /b?list-type=2&prefix=a', 'ListObjectsV2'],
      ['GET /b?lifecycle', 'GetBucketLifecycleConfiguration'],
      ['GET /b/k/l?versionId=1', 'GetObject'],
      ['PUT /b', 'CreateBucket'],
      ['PUT /b/k', 'PutObject'],
      ['PUT /b/k copied', 'CopyObject'],
      ['PUT /b/k?partNumber=1&uploadId=u', 'UploadPart'],
      ['POST /b/k?uploads', 'CreateMultipartUpload'],
      ['POST /b/k?uploadId=u', 'CompleteMultipartUpload'],
      ['DELETE /b/k?uploadId=u', 'AbortMultipartUpload'],
      ['POST /b?delete', 'DeleteObjects'],
    ] as const)
      expect(found('s3', request, '', 204).kind, request).to.equal(`s3 ${operation} 204`);
  });
});

describe('the reader of XML', () => {
  it('keeps texts, attributes and the order of elements', () => {
    const { name, children } = parseXml(
      '<?xml version="1.0"?><!-- no --><a><x:b c="1&quot;">&lt;&#65;&#x42;</x:b><b/></a>\n',
    );
    expect([name, children.map((child) => [child.name, child.text, [...child.attributes]])]).to.deep.equal([
      'a',
      [
        ['x:b', '<AB', [['c', '1"']]],
        ['b', '', []],
      ],
    ]);
  });

  it('refuses what is not XML', () => {
    for (const text of ['', 'text', '<a>', '<a></b>', '<a/><b/>', '<a b=c/>', '<a/>text', '</a>', '<a></a></a>'])
      expect(() => parseXml(text), text).to.throw(SyntaxError);
  });
});
