import { parseObject } from '../emit/json.ts';
import { type Env, readText } from '../emit/settings.ts';
import { messageOf } from '../errors.ts';

const timeoutMs = 15_000;
const noToken =
  'there is no admin token: set NOTAFTER_TOKEN_FILE, or NOTAFTER_DATA_DIR to the data directory of a server that generated its tokens';

/** Something an operator has to mend before the command can work; printed as one line. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
}

/** An answer of the API, whatever its status. */
export interface ApiAnswer {
  readonly status: number;
  /** The members of the JSON object that was answered; none when it was something else. */
  readonly body: Readonly<Record<string, unknown>>;
  readonly headers: Headers;
}

/** What a request carries beside method and path. */
export interface ApiRequest {
  readonly body?: unknown;
  /** Media type of a body that is text already; without it the body is sent as JSON. */
  readonly type?: string;
}

/** The admin API as commands call it. */
export interface ApiClient {
  readonly url: string;
  /** Any answer, whatever its status. @throws CommandError when the server does not answer. */
  call(method: string, path: string, request?: ApiRequest): Promise<ApiAnswer>;
  /** An answer that is a success. @throws CommandError with the server's own words when it is not. */
  expect(method: string, path: string, request?: ApiRequest): Promise<ApiAnswer>;
}

/** Where the API is and how it is reached. */
export interface ApiSettings {
  /** NOTAFTER_URL, and NOTAFTER_TOKEN or NOTAFTER_TOKEN_FILE. */
  readonly env: Env;
  readonly fetch: typeof globalThis.fetch;
}

/** Text of a server as it may be shown: one line, no control characters. */
const oneLine = (text: string): string => text.replace(/\p{C}+/gu, ' ').slice(0, 300);

/** What a person should know about an answer that is no success. */
export const refusal = ({ status, body }: ApiAnswer): string => {
  const said = typeof body['message'] === 'string' ? oneLine(body['message']) : 'not an answer of a notafter server';
  if (status === 401)
    return 'the admin token is refused: set NOTAFTER_TOKEN_FILE to one of CERT_ADMIN_TOKENS, or one that `notafter tokens` made';
  return `HTTP ${status}: ${said}`;
};

const away = (url: string, error: unknown): CommandError => {
  const cause = error instanceof Error ? error.cause : undefined;
  const code = cause instanceof Error && 'code' in cause ? ` (${String(cause.code)})` : '';
  return new CommandError(`nothing answers at ${url}${code}: start the server, or set NOTAFTER_URL to its address`);
};

/**
 * Opens the API that the environment names.
 *
 * @throws CommandError when no token or no usable address is set.
 */
export const apiClient = ({ env, fetch }: ApiSettings): ApiClient => {
  const url = serverUrl(env);
  const token = adminToken(env);
  if (token === undefined) throw new CommandError(noToken);
  const call = async (method: string, path: string, { body, type }: ApiRequest = {}): Promise<ApiAnswer> => {
    try {
      const response = await fetch(url + path, {
        method,
        redirect: 'manual',
        signal: AbortSignal.timeout(timeoutMs),
        headers: {
          authorization: `Bearer ${token}`,
          ...(body !== undefined && { 'content-type': type ?? 'application/json' }),
        },
        ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      });
      return { status: response.status, headers: response.headers, body: parseObject(await response.text()) };
    } catch (error) {
      throw away(url, error);
    }
  };
  const expect = async (method: string, path: string, request: ApiRequest = {}): Promise<ApiAnswer> => {
    const answer = await call(method, path, request);
    if (answer.status < 200 || answer.status > 299) throw new CommandError(refusal(answer));
    return answer;
  };
  return { url, call, expect };
};

/** NOTAFTER_URL without a slash at its end. @throws CommandError when it is not an http or https address. */
export const serverUrl = (env: Env): string => {
  const url = URL.parse(env['NOTAFTER_URL'] ?? '');
  if (url === null || !['http:', 'https:'].includes(url.protocol) || url.username !== '') {
    throw new CommandError('set NOTAFTER_URL to the address of the server, such as http://127.0.0.1:8080');
  }
  return (url.origin + url.pathname).replace(/\/+$/, '');
};

/** NOTAFTER_TOKEN, or what the file of NOTAFTER_TOKEN_FILE holds; undefined when neither is set. */
export const adminToken = (env: Env): string | undefined => {
  const { NOTAFTER_TOKEN: token, NOTAFTER_TOKEN_FILE: file } = env;
  if (token !== undefined && token !== '') return token;
  if (file === undefined || file === '') return undefined;
  try {
    return readText(file, 'the file of NOTAFTER_TOKEN_FILE cannot be read').trim();
  } catch (error) {
    throw new CommandError(messageOf(error));
  }
};
