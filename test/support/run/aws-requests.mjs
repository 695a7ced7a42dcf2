// Checks each request that batchctl makes to AWS in a run, in whichever process, against AWS's own model of it: what departs
// from it goes to BATCHCTL_TEST_AWS_DEPARTURES, and fails the test during which it was made (lane.mjs). Loaded by `AwsClients`
// where BATCHCTL_TEST_AWS_REQUESTS names it. The kinds of requests are left in the run's directory (`aws-requests`).
import { appendFileSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { departures, readModel } from '../aws-model.mjs';

const found = process.env.BATCHCTL_TEST_AWS_DEPARTURES;
const run = dirname(found);

/** Has each request of a client looked at as it is asked for. */
export function watch(client) {
  const service = client.config.serviceId.toLowerCase().replaceAll(' ', '');
  // As it was asked for, whichever path it takes (src/adapters/aws/hot-calls.ts), and before the SDK's steps add to it.
  const send = client.send.bind(client);
  client.send = (command, ...rest) => {
    const [, , operation] = command.schema;
    remember(service, operation, command.input);
    const wrong = departures(modelOf(service), operation, command.input);
    if (wrong.length > 0) appendFileSync(found, `${service} ${operation}: ${wrong.join('; ')}\n`);
    return send(command, ...rest);
  };
}

const models = new Map();

/** The models without all that requests don't need are read once a run: a process that is started reads a hundredth. */
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

/** Requests of one kind have the same fields. */
function remember(service, operation, input) {
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
