import { type Random, randomOf } from '../chaos/random.ts';
import { plantDeadLetters } from '../support/dead-letters.ts';
import { waitFor } from '../support/wait.ts';
import { type ApiAnswer, type ApiCall, createApiClient } from './api.ts';
import { anyValue } from './bodies.ts';
import { type Operation, type Parameter, readDocument } from './document.ts';
import { fitting } from './generate.ts';
import type { FuzzOptions } from './http.ts';
import { isObject, problemOf, type Schema } from './json-schema.ts';
import { createTally, type FuzzReport } from './report.ts';
import { adminToken, cluster, goodBody, ingestPath, signedHeaders, source, type Stage, viewerToken } from './stage.ts';

const callers = 8;
const mostKept = 50;

type Resolve = (reference: string) => Schema;

/** Ids, names and cursors that answers have shown, by the path of their list. */
const createPool = () => {
  const kept = new Map<string, string[]>();
  const add = (at: string, value: unknown): void => {
    if (typeof value !== 'string' && typeof value !== 'number') return;
    const list = kept.get(at) ?? [];
    if (list.length >= mostKept) list.shift();
    list.push(String(value));
    kept.set(at, list);
  };
  const harvest = (path: string, value: unknown): void => {
    if (Array.isArray(value)) for (const item of value) harvest(path, item);
    if (!isObject(value)) return;
    add(`${path} id`, value['id']);
    add(`${path} domain`, value['domain']);
    add(`${path} cursor`, value['nextCursor']);
    for (const member of Object.values(value)) if (Array.isArray(member)) harvest(path, member);
  };
  return {
    harvest,
    pick: (at: string, random: Random): string | null => {
      const list = kept.get(at) ?? [];
      return list[random.between(0, list.length - 1)] ?? null;
    },
  };
};

type Pool = ReturnType<typeof createPool>;

interface Made {
  readonly call: ApiCall;
  /** What of the input the document does not allow; null where it fits. */
  readonly unfit: string | null;
  readonly role: 'admin' | 'viewer' | 'nobody';
}

const listOf = (path: string): string => path.slice(0, path.indexOf('/{'));

const pathValue = (operation: Operation, { name }: Parameter, random: Random, pool: Pool): string => {
  const list = listOf(operation.path);
  const known = random.chance(0.75) ? pool.pick(`${list} ${name}`, random) : null;
  return (
    known ??
    random.pick([
      'x',
      '0',
      '1',
      '999999999999999999999',
      '01890a5d-ac96-774b-bcce-b302099a8057',
      'none.example',
      '%',
      '\u00e9',
      "'",
      '..x',
      ' ',
    ])
  );
};

const queryOf = (operation: Operation, random: Random, pool: Pool, resolve: Resolve) => {
  const pairs: (readonly [string, string])[] = [];
  let unfit: string | null = null;
  for (const { name, schema, required, in: place } of operation.parameters) {
    if (place !== 'query' || !(required || random.chance(0.3))) continue;
    const known = random.chance(0.5) ? pool.pick(`${operation.path} ${name}`, random) : null;
    const odd = random.chance(0.1) ? String(anyValue(random, 0)).toWellFormed() : null;
    const value = odd ?? known ?? String(fitting(schema, random, resolve));
    unfit ??= problemOf(schema, value, resolve, name);
    pairs.push([name, value]);
  }
  // Ingest reads no query: senders of old hang things there.
  if (!operation.isOpen && random.chance(0.03)) {
    pairs.push(['surplus', 'x']);
    unfit ??= 'surplus is no parameter';
  }
  const text = pairs.map((pair) => pair.map(encodeURIComponent).join('=')).join('&');
  return { text: text === '' ? '' : `?${text}`, unfit };
};

/** Sets one member to anything, or adds one. */
const spoilt = (value: unknown, random: Random): unknown => {
  if (!isObject(value)) return anyValue(random);
  const names = [...Object.keys(value), 'surplus', '__proto__'];
  const name = names[random.between(0, names.length - 1)] ?? 'surplus';
  return Object.fromEntries([...Object.entries(value), [name, anyValue(random)]]);
};

const signer = { source, clusterId: cluster };

const bodyOf = ({ body, path }: Operation, random: Random, pool: Pool, resolve: Resolve) => {
  if (body === null) return { bytes: null, type: null, unfit: null };
  const isLines = body.type.endsWith('ndjson');
  const make = (): unknown => {
    // What is signed has to be good for more than its form.
    if (path === ingestPath && random.chance(0.5)) return goodBody(random);
    let value = fitting(body.schema, random, resolve);
    const domain =
      isObject(value) && 'domain' in value && random.chance(0.7) ? pool.pick('/v1/admin/domains domain', random) : null;
    if (isObject(value) && domain !== null) value = { ...value, domain };
    // Who signs says who it is.
    if (isObject(value) && path === ingestPath && random.chance(0.8)) value = { ...value, ...signer };
    return random.chance(0.25) ? spoilt(value, random) : value;
  };
  const values = Array.from({ length: isLines ? random.between(0, 5) : 1 }, make);
  const broken =
    values
      .map((value) => problemOf(body.schema, JSON.parse(JSON.stringify(value)), resolve))
      .find((problem) => problem !== null) ?? null;
  // Lines that are no good are told in the answer, beside those that were taken.
  return {
    bytes: Buffer.from(values.map((value) => JSON.stringify(value)).join('\n')),
    type: body.type,
    unfit: isLines ? null : broken,
  };
};

const roleOf = (random: Random): Made['role'] => {
  const dice = random.next();
  if (dice < 0.9) return 'admin';
  return dice < 0.95 ? 'viewer' : 'nobody';
};

const makeCall = (operation: Operation, random: Random, pool: Pool, resolve: Resolve): Made => {
  const role = roleOf(random);
  let path = operation.path;
  for (const parameter of operation.parameters)
    if (parameter.in === 'path')
      path = path.replace(`{${parameter.name}}`, encodeURIComponent(pathValue(operation, parameter, random, pool)));
  const query = queryOf(operation, random, pool, resolve);
  const body = bodyOf(operation, random, pool, resolve);
  const token = role === 'admin' ? adminToken : viewerToken;
  const authorization: Record<string, string> = role === 'nobody' ? {} : { authorization: `Bearer ${token}` };
  const type: Record<string, string> = body.type === null ? {} : { 'content-type': body.type };
  const signed = operation.path === ingestPath && body.bytes !== null ? signedHeaders(body.bytes, Date.now()) : {};
  return {
    role,
    call: {
      method: operation.method,
      path: path + query.text,
      headers: { accept: random.chance(0.1) ? 'application/x-ndjson' : '*/*', ...authorization, ...type, ...signed },
      body: body.bytes,
    },
    unfit: query.unfit ?? body.unfit,
  };
};

const linesOf = (text: string): unknown[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line): unknown => JSON.parse(line));

/** What an answer says that the document does not; null where it fits. */
const mismatchOf = (
  { path, responses }: Operation,
  { status, type, text }: ApiAnswer,
  resolve: Resolve,
): string | null => {
  // It asks the DNS of strangers, which is not there where there is no network.
  if (status === 503 && path.endsWith('/verify')) return null;
  if (status >= 500) return `answers ${status}: ${text.slice(0, 200)}`;
  const documented = responses[status];
  if (documented === undefined) return `answers ${status}, which is not documented: ${text.slice(0, 200)}`;
  if (Object.keys(documented).length === 0)
    return text === '' ? null : `answers ${status} with a body that is not documented`;
  const schema = documented[type];
  if (schema === undefined) return `answers ${status} as ${type}, which is not documented`;
  try {
    const values =
      type === 'text/csv' ? [text] : type.endsWith('ndjson') ? linesOf(text) : [JSON.parse(text) as unknown];
    const problem = values.map((value) => problemOf(schema, value, resolve)).find((found) => found !== null);
    return problem === undefined
      ? null
      : `answers ${status} with a body that does not fit: ${problem.replaceAll(/\[\d+\]/g, '[]')}`;
  } catch (error) {
    if (error instanceof SyntaxError) return `answers ${status} with a body that is no JSON`;
    throw error;
  }
};

const faultOf = (operation: Operation, { role, unfit }: Made, answer: ApiAnswer, resolve: Resolve): string | null => {
  if (!operation.isOpen && role === 'nobody' && answer.status !== 401) return `lets in nobody: ${answer.status}`;
  if (answer.status < 300 && unfit !== null) return `takes what the document does not allow: ${unfit}`;
  return mismatchOf(operation, answer, resolve);
};

/** Something of everything for the API to speak of. */
const plant = async ({ sql, app }: Stage, random: Random): Promise<void> => {
  const client = createApiClient(Number(new URL(app.url).port));
  const names = Array.from({ length: 20 }, (_, n) => `d${n}.example.com`);
  const json = { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' };
  for (const name of names) {
    const body = Buffer.from(
      JSON.stringify({ verified: true, tlsMode: 'termination', region: 'eu', orgId: random.pick(['acme', 'shops']) }),
    );
    await client.call({ method: 'PUT', path: `/v1/admin/domains/${name}`, headers: json, body });
  }
  for (let n = 0; n < 60; n += 1) {
    const body = Buffer.from(
      JSON.stringify({ ...goodBody(random), domain: random.pick(['d1.example.com', ...names]) }),
    );
    const headers = { 'content-type': 'application/json', ...signedHeaders(body, Date.now()) };
    await client.call({ method: 'POST', path: ingestPath, headers, body });
  }
  await plantDeadLetters(sql, { count: 40, domains: names });
  client.close();
  await waitFor(
    async () => (await sql`select 1 from certificate_lifecycle_events where status = 'pending' limit 1`).length === 0,
    { timeoutMs: 30_000, what: 'the planted events to be applied' },
  );
};

/**
 * Calls every route of docs/openapi.json with what fits its document and with what does not. Wants: only documented statuses, bodies
 * that fit their schema, and nothing taken that the document does not allow.
 */
export const fuzzSchema = async (stage: Stage, { seed, count, onProgress }: FuzzOptions): Promise<FuzzReport> => {
  const random = randomOf(seed);
  const { operations, resolve } = readDocument();
  await plant(stage, random);
  const client = createApiClient(stage.port);
  const pool = createPool();
  const tally = createTally();
  const taken = new Set<string>();
  const started = performance.now();
  let cases = 0;
  const one = async (operation: Operation, at: number): Promise<void> => {
    const made = makeCall(operation, random, pool, resolve);
    const name = `${operation.method} ${operation.path}`;
    const answer = await client.call(made.call);
    tally.count(String(answer.status));
    if (answer.status < 300) taken.add(name);
    const fault = faultOf(operation, made, answer, resolve);
    if (fault !== null)
      tally.flaw(`${name} ${fault}`, `${made.call.path} ${made.call.body?.toString().slice(0, 500) ?? ''}`, at);
    if (answer.status < 300 && answer.type === 'application/json')
      pool.harvest(operation.path, JSON.parse(answer.text));
  };
  const callAll = async (): Promise<void> => {
    while (cases < count && !stage.app.hasExited()) {
      const at = cases;
      cases += 1;
      const operation = operations[at % operations.length];
      if (operation !== undefined)
        await one(operation, at).catch((error: unknown) => tally.flaw(String(error), operation.path, at));
      if (at > 0 && at % 5000 === 0) onProgress?.(at);
    }
  };
  await Promise.all(Array.from({ length: callers }, callAll));
  client.close();
  if (!(await stage.isWell()))
    tally.flaw('the program does not take good events any more', stage.app.output().slice(-2000), cases);
  const never = operations.map(({ method, path }) => `${method} ${path}`).filter((name) => !taken.has(name));
  return {
    target: 'schema',
    seed,
    cases,
    seconds: (performance.now() - started) / 1000,
    answers: tally.answers,
    flaws: tally.flaws,
    figures: { routes: String(operations.length), 'routes that never took anything': never.join(', ') || 'none' },
  };
};
