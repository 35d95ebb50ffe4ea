import { readFileSync } from 'node:fs';
import { isObject, type Schema } from './json-schema.ts';

export interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly required: boolean;
  readonly schema: Schema;
}

/** One way to call the API, as its document tells it. */
export interface Operation {
  readonly method: string;
  readonly path: string;
  readonly parameters: readonly Parameter[];
  readonly body: { readonly type: string; readonly schema: Schema } | null;
  /** By status: the schema of each media type. */
  readonly responses: Readonly<Record<string, Readonly<Record<string, Schema>>>>;
  readonly isOpen: boolean;
}

export interface ApiDocument {
  readonly operations: readonly Operation[];
  readonly resolve: (reference: string) => Schema;
}

const record = (value: unknown): Readonly<Record<string, unknown>> => (isObject(value) ? value : {});

const contentOf = (holder: unknown): Record<string, Schema> =>
  Object.fromEntries(
    Object.entries(record(record(holder)['content'])).map(([type, media]) => [type, record(record(media)['schema'])]),
  );

const operationOf = (method: string, path: string, found: Readonly<Record<string, unknown>>): Operation => {
  const [body] = Object.entries(contentOf(found['requestBody']));
  return {
    method: method.toUpperCase(),
    path,
    // The document is OpenAPI 3.1, whose parameters have these members.
    parameters: (found['parameters'] ?? []) as readonly Parameter[],
    body: body === undefined ? null : { type: body[0], schema: body[1] },
    responses: Object.fromEntries(
      Object.entries(record(found['responses'])).map(([status, response]) => [status, contentOf(response)]),
    ),
    isOpen: found['security'] === undefined,
  };
};

/** The document that stands in docs/. */
export const readDocument = (): ApiDocument => {
  const document = record(JSON.parse(readFileSync(new URL('../../docs/openapi.json', import.meta.url), 'utf8')));
  const components = record(record(document['components'])['schemas']);
  const operations = Object.entries(record(document['paths'])).flatMap(([path, item]) =>
    Object.entries(record(item)).map(([method, found]) => operationOf(method, path, record(found))),
  );
  return {
    operations,
    resolve: (reference) => record(components[reference.replace('#/components/schemas/', '')]),
  };
};
