import { toJsonSchema } from '@valibot/to-json-schema';
import { describeRoute, resolver, type DescribeRouteOptions } from 'hono-openapi';
import * as v from 'valibot';
import type { Role } from '../lifecycle/access.ts';

/** One answer of a route: what it means and, where it has a body, the schema and media type of it. */
export interface Answer {
  readonly about: string;
  readonly schema?: v.GenericSchema;
  readonly type?: string;
  /** Other media types that callers can have it in, with the schema of each. */
  readonly others?: Readonly<Record<string, v.GenericSchema>>;
}

/**
 * What a route takes and gives, in the same schemas that it checks with. `path` explains path parameters; `errors` are the
 * statuses answered as a problem beside those that follow from `role`, `query`, `path` and `body`.
 */
export interface Operation {
  readonly summary: string;
  readonly tag: string;
  readonly role?: Role;
  readonly path?: Readonly<Record<string, string>>;
  /** Request headers: what they hold and whether no request can do without. */
  readonly headers?: Readonly<Record<string, { readonly about: string; readonly required: boolean }>>;
  readonly query?: v.GenericSchema;
  readonly body?: v.GenericSchema;
  readonly bodyType?: string;
  readonly answers: Readonly<Record<number, Answer>>;
  readonly errors?: readonly number[];
  /** What a problem's status means here, where it is not the same as everywhere. */
  readonly problems?: Readonly<Record<number, string>>;
}

type Parameters = NonNullable<DescribeRouteOptions['parameters']>;
type Responses = NonNullable<DescribeRouteOptions['responses']>;

/** Callers see what goes in, not what a transform makes of it. */
const asSent = { typeMode: 'input', errorMode: 'ignore' } as const;

/** An RFC 9457 problem as {@link problemResponse} writes it. */
const problem = v.pipe(
  v.object({ type: v.string(), title: v.string(), status: v.number(), detail: v.string(), message: v.string() }),
  v.metadata({ ref: 'Problem' }),
);

const problemAbout: Readonly<Record<number, string>> = {
  400: 'The input breaks a rule; the message names the field',
  401: 'No valid bearer token',
  403: 'The role of the token is too low',
  404: 'There is no such thing',
  408: 'The body did not come in time',
  409: 'The state does not allow it',
  413: 'The body is too large',
  415: 'The body has another type',
  429: 'Over a rate limit; Retry-After says when to come again',
  503: 'A dependency is away; try again',
};

const queryParameters = (query: v.GenericSchema): Parameters => {
  const { properties = {}, required = [] } = toJsonSchema(query, asSent);
  const parameters = Object.entries(properties).map(([name, schema]) => ({
    in: 'query',
    name,
    required: required.includes(name),
    schema,
  }));
  // OpenAPI 3.1 takes JSON Schema as it is; the two packages only name the same shape by different types.
  return parameters as Parameters;
};

const pathParameters = (path: Readonly<Record<string, string>>): Parameters =>
  Object.entries(path).map(([name, description]) => ({
    in: 'path',
    name,
    required: true,
    description,
    schema: { type: 'string' },
  }));

const headerParameters = (headers: NonNullable<Operation['headers']>): Parameters =>
  Object.entries(headers).map(([name, { about, required }]) => ({
    in: 'header',
    name,
    required,
    description: about,
    schema: { type: 'string' },
  }));

const content = (type: string, schema: v.GenericSchema) => ({ [type]: { schema: resolver(schema, asSent) } });

const errorStatuses = ({ role, query, path, body, errors = [] }: Operation): number[] => {
  // Where a role is asked for, a surplus query parameter is an error in any case.
  const input = query ?? path ?? body ?? role;
  const statuses = [...(input ? [400] : []), ...(role ? [401, 403] : []), ...(body ? [413, 415] : []), ...errors, 503];
  return [...new Set(statuses)];
};

const responsesOf = (operation: Operation): Responses => {
  const responses: Responses = {};
  for (const [status, { about, schema, type = 'application/json', others = {} }] of Object.entries(operation.answers)) {
    const forms = Object.entries(others).map(([other, form]) => content(other, form));
    const all = Object.assign({}, schema && content(type, schema), ...forms);
    responses[status] = { description: about, ...(schema && { content: all }) };
  }
  for (const status of errorStatuses(operation)) {
    responses[status] ??= {
      description: operation.problems?.[status] ?? problemAbout[status] ?? 'Problem',
      content: content('application/problem+json', problem),
    };
  }
  return responses;
};

/**
 * Middleware that puts a route into the OpenAPI document; it checks nothing. The document has a security scheme `bearer`
 * that routes with a `role` refer to.
 */
export const describe = (operation: Operation) => {
  const { summary, tag, role, query, path, headers, body, bodyType = 'application/json' } = operation;
  return describeRoute({
    summary,
    tags: [tag],
    ...(role && { description: `Needs the role ${role}.`, security: [{ bearer: [] }] }),
    parameters: [
      ...(path ? pathParameters(path) : []),
      ...(headers ? headerParameters(headers) : []),
      ...(query ? queryParameters(query) : []),
    ],
    ...(body && { requestBody: { content: content(bodyType, body) } }),
    responses: responsesOf(operation),
  });
};
