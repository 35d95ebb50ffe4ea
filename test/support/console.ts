import type { Hono } from 'hono';
import { consoleRoutes } from '../../src/http/console/routes.tsx';
import type { HttpEnv } from '../../src/http/env.ts';
import { loginRoutes } from '../../src/http/login.ts';
import type { Role } from '../../src/lifecycle/access.ts';
import { createTestApi, type TestApi, tokenOf } from './api.ts';

const origin = 'http://localhost';

export interface ConsoleAnswer {
  readonly status: number;
  readonly headers: Headers;
  /** The page as it was sent. */
  readonly html: string;
  /** Its words alone, one blank between them. */
  readonly text: string;
}

export interface ConsoleCall {
  /** Who asks; admin unless said otherwise, null for nobody. */
  readonly role?: Role | null;
  /** A token that was made at run time, as one bound to an organisation, in the place of a role's. */
  readonly token?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface TestConsole extends TestApi {
  /** Asks for a page as a browser does that is signed in. */
  get(path: string, call?: ConsoleCall): Promise<ConsoleAnswer>;
  /** Sends a form as one of the console's own pages does. */
  post(path: string, fields?: Readonly<Record<string, string>>, call?: ConsoleCall): Promise<ConsoleAnswer>;
}

const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" };

/** The words of a page as somebody reads them. */
export const wordsOf = (html: string): string =>
  html
    .replaceAll(/<wbr\/?>/g, '')
    .replaceAll(/<[^>]*>/g, ' ')
    .replaceAll(/&(amp|lt|gt|quot|#39);/g, (_, name: string) => entities[name] ?? '')
    .replaceAll(/\s+/g, ' ')
    .trim();

const signIn = async (app: Hono<HttpEnv>, token: string): Promise<string> => {
  const answer = await app.request(`${origin}/console/login`, {
    method: 'POST',
    headers: { origin, 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ token }).toString(),
  });
  const cookie = answer.headers.get('set-cookie')?.split(';')[0];
  if (cookie === undefined) throw new Error(`signing in answered ${answer.status}`);
  return cookie;
};

/** The console on a database of its own, with one token per role, named after it; the clock stands still at `now`. */
export const createTestConsole = async (now: number, more: readonly Hono<HttpEnv>[] = []): Promise<TestConsole> => {
  const api = await createTestApi([consoleRoutes(), loginRoutes(), ...more], now);
  const cookies = new Map<string, Promise<string>>();
  const cookieOf = async ({ role = 'admin', token }: ConsoleCall): Promise<Record<string, string>> => {
    const presented = token ?? (role === null ? null : tokenOf(role));
    if (presented === null) return {};
    const cookie = cookies.get(presented) ?? signIn(api.app, presented);
    cookies.set(presented, cookie);
    return { cookie: await cookie };
  };
  const ask = async (path: string, init: RequestInit, call: ConsoleCall): Promise<ConsoleAnswer> => {
    const headers = { accept: 'text/html', ...(await cookieOf(call)), ...call.headers, ...(init.headers as object) };
    const response = await api.app.request(`${origin}${path}`, { ...init, headers });
    const html = await response.text();
    return { status: response.status, headers: response.headers, html, text: wordsOf(html) };
  };
  return {
    ...api,
    get: (path, call = {}) => ask(path, {}, call),
    post: (path, fields = {}, call = {}) =>
      ask(
        path,
        {
          method: 'POST',
          headers: { origin, 'content-type': 'application/x-www-form-urlencoded' },
          body: new URLSearchParams(fields).toString(),
        },
        call,
      ),
  };
};
