// Checks each request to AWS that batchctl makes in a test run, in any process, against AWS's own model of the request.
// Violations are appended to the file BATCHCTL_TEST_AWS_DEPARTURES, and fail the test that was running (lane.mjs). `AwsClients`
// loads this module if BATCHCTL_TEST_AWS_REQUESTS names it. The kinds of requests are listed in the run's directory
// (`aws-requests`).
import { appendFileSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { departures, readModel } from '../aws-model.mjs';

const found = process.env.BATCHCTL_TEST_AWS_DEPARTURES;
const run = dirname(found);

/** Makes a client check each of its requests. */
export function watch(client) {
  const service = client.config.serviceId.toLowerCase().replaceAll(' ', '');
  // Before the SDK's middleware adds to the input, and on both paths of a request (src/adapters/aws/hot-calls.ts).
  const send = client.send.bind(client);
  client.send = (command, ...rest) => {
    const [, , operation] = command.schema;
    recordKind(service, operation, command.input);
    const wrong = departures(modelOf(service), operation, command.input);
    if (wrong.length > 0) appendFileSync(found, `${service} ${operation}: ${wrong.join('; ')}\n`);
    return send(command, ...rest);
  };
}

const models = new Map();

/** A service's model, reduced to its requests once in a run: each process then reads a hundredth of it. */
function modelOf(service) {
  const known = models.get(service);
  if (known !== undefined) return known;
  const file = join(run, 'aws-models', service);
  if (!existsSync(file)) {
    mkdirSync(join(run, 'aws-models'), { recursive: true });
    const own = `${file}-${process.pid}-${Math.random()}`;
    writeFileSync(own, JSON.stringify(readModel(service)));
    renameSync(own, file);
  }
  const model = JSON.parse(readFileSync(file, 'utf8'));
  models.set(service, model);
  return model;
}

const kinds = new Set();

/** Lists the kind of a request. Requests of one kind have the same fields. */
function recordKind(service, operation, input) {
  const kind = `${service} ${operation} ${fieldsOf(input)}`;
  if (kinds.has(kind)) return;
  kinds.add(kind);
  appendFileSync(join(run, 'aws-requests'), `${kind}\n`);
}

function fieldsOf(value) {
  if (Array.isArray(value)) return value.length === 0 ? '' : `[${fieldsOf(value[0])}]`;
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) return '';
  const fields = Object.keys(value).filter((name) => value[name] !== undefined);
  return `{${fields
    .sort()
    .map((name) => name + fieldsOf(value[name]))
    .join(',')}}`;
}
