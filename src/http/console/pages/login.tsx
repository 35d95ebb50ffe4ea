/** What the login page shows. */
export interface LoginProps {
  /** Path that a proxy puts in front of ours, without a slash at its end. */
  readonly base: string;
  /** What went wrong, in a sentence; null at first sight. */
  readonly error: string | null;
  /** What went well, as a sign-out; null for nothing. */
  readonly notice: string | null;
  /** Whether there is single sign-on beside tokens. */
  readonly oidc: boolean;
  /** Path of the console to go to afterwards. */
  readonly next: string;
}

/** The whole login page. */
export const LoginPage = ({ base, error, notice, oidc, next }: LoginProps) => (
  <html lang="en">
    <head>
      <meta charset="utf-8" />
      <meta name="viewport" content="width=device-width, initial-scale=1" />
      <title>Sign in · notafter</title>
    </head>
    <body>
      <main>
        <h1>notafter</h1>
        {error === null ? null : <p role="alert">{error}</p>}
        {notice === null ? null : <p role="status">{notice}</p>}
        {oidc ? (
          <p>
            <a href={`${base}/console/login/oidc?next=${encodeURIComponent(next)}`}>Sign in with single sign-on</a>
          </p>
        ) : null}
        <form method="post" action={`${base}/console/login`}>
          <input type="hidden" name="next" value={next} />
          <label for="token">Access token</label>
          <input id="token" name="token" type="password" autocomplete="current-password" required autofocus />
          <button type="submit">Sign in</button>
        </form>
      </main>
    </body>
  </html>
);
