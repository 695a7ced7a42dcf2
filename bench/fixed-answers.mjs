// An S3 and SQS that looks at nothing: each call gets fixed bytes, as fast as possible. Prints its port.
import { createServer } from 'node:http';

const BODY = Buffer.alloc(1024, 'a');
const META = JSON.stringify({ format: 2, job: 'bench-20260101-0000-aaaaa', step: 'work', task: 1, number: 1 });
const OBJECT = {
  'content-length': BODY.length,
  'content-type': 'application/octet-stream',
  etag: '"0123456789abcdef0123456789abcdef"',
  'last-modified': 'Thu, 26 Nov 2026 10:00:00 GMT',
  'x-amz-meta-output': META,
  'x-amz-request-id': '0123456789ABCDEF',
};
const ten = (make) => Array.from({ length: 10 }, (_, n) => make(n));
const KEYS = ten(
  (n) =>
    `<Contents><Key>jobs/bench/${n}</Key><LastModified>2026-11-26T10:00:00.000Z</LastModified><ETag>&quot;0123456789abcdef0123456789abcdef&quot;</ETag><Size>1024</Size><StorageClass>STANDARD</StorageClass></Contents>`,
);
const LIST = `<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>bench</Name><Prefix>jobs/</Prefix><KeyCount>10</KeyCount><MaxKeys>1000</MaxKeys><EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>${KEYS.join('')}</ListBucketResult>`;
const Successful = ten((n) => ({ Id: String(n) }));
const ANSWERS = {
  GetQueueUrl: () => ({ QueueUrl: `http://127.0.0.1:${port()}/000000000000/bench` }),
  GetQueueAttributes: () => ({ Attributes: { QueueArn: 'arn:aws:sqs:us-east-1:000000000000:bench' } }),
  SendMessageBatch: () => ({
    Successful: ten((n) => ({
      Id: String(n),
      MessageId: `${n}`,
      MD5OfMessageBody: 'd41d8cd98f00b204e9800998ecf8427e',
    })),
  }),
  ReceiveMessage: () => ({
    Messages: ten((n) => ({
      MessageId: `${n}`,
      ReceiptHandle: String(n).padEnd(200, 'AQEB'),
      MD5OfBody: '0cc175b9c0f1b6a831c399e269772661',
      Body: 'a',
      Attributes: { ApproximateReceiveCount: '1', SentTimestamp: '1764151200000' },
    })),
  }),
  DeleteMessageBatch: () => ({ Successful }),
  ChangeMessageVisibilityBatch: () => ({ Successful }),
};

const server = createServer((request, answer) => {
  request.resume().on('end', () => {
    const target = request.headers['x-amz-target']?.split('.')[1];
    if (target !== undefined) {
      const text = JSON.stringify(ANSWERS[target]());
      answer.writeHead(200, { 'content-type': 'application/x-amz-json-1.0', 'content-length': text.length });
      answer.end(text);
    } else if (request.url.includes('list-type=2')) {
      answer.writeHead(200, { 'content-type': 'application/xml', 'content-length': LIST.length });
      answer.end(LIST);
    } else if (request.method === 'PUT') {
      answer.writeHead(200, { etag: OBJECT.etag, 'content-length': 0 });
      answer.end();
    } else {
      answer.writeHead(200, OBJECT);
      answer.end(request.method === 'HEAD' ? undefined : BODY);
    }
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => console.log(port()));
const port = () => server.address().port;
