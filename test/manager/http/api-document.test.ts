// Protects: the published OpenAPI document matches what the manager really serves.
import { Validator } from '@seriousme/openapi-schema-validator';
import { expect } from 'chai';
import { SCOPES } from '../../../src/model/api.ts';
import { forSuite } from '../../support/fixture.ts';
import { ApiServer } from '../../support/manager/api-server.ts';

const METHODS = ['get', 'head', 'put', 'post', 'patch', 'delete'] as const;

describe("the API's document", () => {
  const server = forSuite(() => ApiServer.open());

  it('is served to every reader, and is valid OpenAPI 3.1', async () => {
    const { status, json } = await server.call('GET', '/openapi.json', undefined, { scope: 'read' });
    expect(status).to.equal(200);
    const result = await new Validator().validate(json);
    expect(result.errors ?? [], JSON.stringify(result.errors)?.slice(0, 600)).to.deep.equal([]);
    expect(result.valid).to.equal(true);
    expect(json).to.deep.equal(JSON.parse(JSON.stringify(server.document.document)));
  });

  it('has every path and method that is served, and no others', () => {
    const served = [...server.app.methodsByPath]
      .filter(([url]) => url !== '*' && url !== '/')
      .flatMap(([url, methods]) => methods.map((method) => `${method} ${url.replaceAll(/:(\w+)/g, '{$1}')}`))
      // The framework answers HEAD for each GET. Only for objects is it a call of its own.
      .filter((line) => !line.startsWith('HEAD ') || line === 'HEAD /api/v1/objects');
    const documented = Object.entries(server.document.paths).flatMap(([path, operations]) =>
      METHODS.filter((method) => operations[method] !== undefined).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(documented.sort()).to.deep.equal(served.sort());
  });

  it('names each operation once, in camelCase, with the required scope', () => {
    const operations = Object.values(server.document.paths).flatMap((each) => Object.values(each));
    const ids = operations.map(({ operationId }) => operationId);
    expect(new Set(ids).size).to.equal(ids.length);
    for (const { operationId, ...rest } of operations) {
      expect(operationId).to.match(/^[a-z][a-zA-Z]+$/);
      if (['health', 'ready', 'runCommand', 'callVerb'].includes(operationId)) continue;
      expect(SCOPES, operationId).to.include(rest['x-scope']);
      expect(rest.description, operationId).to.contain(`the scope \`${rest['x-scope']}\``);
    }
  });
});
