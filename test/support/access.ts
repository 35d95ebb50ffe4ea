import type { Hono } from 'hono';
import type { HttpEnv } from '../../src/http/env.ts';

export type App = Pick<Hono<HttpEnv>, 'request'>;

/** Under which the requests of `app.request` come in. */
export const origin = 'http://localhost';

export interface FormPost {
  readonly cookie?: string | undefined;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Posts a form as a page of the console does. */
export const postForm = (
  app: App,
  path: string,
  fields: Readonly<Record<string, string>> = {},
  { cookie, headers = {} }: FormPost = {},
): Promise<Response> =>
  Promise.resolve(
    app.request(path, {
      method: 'POST',
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        accept: 'text/html',
        origin,
        'sec-fetch-site': 'same-origin',
        ...(cookie !== undefined && { cookie }),
        ...headers,
      },
      body: new URLSearchParams(fields).toString(),
    }),
  );

/** The cookie that an answer sets, as a browser sends it back; null when it sets none or takes it away. */
export const cookieOf = (answer: Response, name = '__Host-notafter'): string | null => {
  const set = answer.headers.getSetCookie().find((one) => one.startsWith(`${name}=`));
  const pair = set?.split(';')[0];
  return pair === undefined || pair === `${name}=` ? null : pair;
};

/** Signs in to the console with a token; the cookie. */
export const signIn = async (app: App, token: string): Promise<string> => {
  const answer = await postForm(app, '/console/login', { token });
  const cookie = cookieOf(answer);
  if (cookie === null) throw new Error(`signing in was answered ${answer.status}`);
  return cookie;
};
