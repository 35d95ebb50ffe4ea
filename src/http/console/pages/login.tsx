import { raw } from 'hono/html';
import type { FC } from 'hono/jsx';
import { Document } from '../parts/frame.tsx';
import { Icon } from '../parts/icons.tsx';
import { defaultPreferences } from '../preferences.ts';
import { markupOf, href, useView, type View, ViewProvider } from '../view.ts';

export interface LoginProps {
  /** Path prefix of the proxy, without a slash at its end. */
  readonly base: string;
  /** Why the last attempt failed, as a sentence. */
  readonly error: string | null;
  /** Something else worth a line, as that one is signed out. */
  readonly notice: string | null;
  /** Whether single sign-on is set up. */
  readonly oidc: boolean;
  /** Where to go afterwards: a path of the console, without the prefix. */
  readonly next: string;
}

const TokenForm: FC<{ next: string; error: string | null; primary: boolean }> = ({ next, error, primary }) => (
  <form method="post" action={href(useView(), 'login')} class="pile">
    <input type="hidden" name="next" value={next} />
    <div>
      <label class="lab" for="token">
        Access token
      </label>
      <input
        class="field wide"
        id="token"
        name="token"
        type="password"
        required
        autofocus
        autocomplete="current-password"
        aria-describedby={error === null ? 'token-hint' : 'token-error token-hint'}
        aria-invalid={error === null ? undefined : 'true'}
      />
      <p class="hint" id="token-hint">
        One of <code>CERT_ADMIN_TOKENS</code>, or one made on the Tokens page. After <code>npm start</code> the terminal
        says where the first one is.
      </p>
    </div>
    <button class={primary ? 'btn btn-primary' : 'btn'} type="submit" data-busy="Signing in…">
      Sign in
    </button>
  </form>
);

const Gate: FC<LoginProps> = ({ error, notice, oidc, next }) => (
  <main class="gate" id="main">
    <div class="brand">
      <Icon name="mark" />
      notafter
    </div>
    <section class="panel pile">
      <h1>Sign in to the console</h1>
      {error !== null && (
        <p class="failed state-tls_error" id="token-error" role="alert">
          <Icon name="s-tls_error" />
          <span>{error}</span>
        </p>
      )}
      {notice !== null && (
        <p class="quiet" role="status">
          {notice}
        </p>
      )}
      {oidc && (
        <>
          <a class="btn btn-primary" href={href(useView(), 'login/oidc', { next })}>
            Sign in with single sign-on
          </a>
          <p class="quiet">or with an access token:</p>
        </>
      )}
      <TokenForm next={next} error={error} primary={!oidc} />
    </section>
  </main>
);

/** The whole login page, as a document. */
export const LoginPage = (props: LoginProps) => {
  const view: View = {
    actor: { name: '', role: 'viewer', orgId: null },
    now: 0,
    base: props.base,
    path: '/console/login',
    query: new URLSearchParams(),
    preferences: defaultPreferences,
    requestId: null,
    follows: false,
  };
  const document = (
    <ViewProvider value={view}>
      <Document title="Sign in">
        <Gate {...props} />
      </Document>
    </ViewProvider>
  );
  // The markup was made by the line above, which escaped what came from outside.
  return raw(`<!doctype html>${markupOf(document)}`);
};
