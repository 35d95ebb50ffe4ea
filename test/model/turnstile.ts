/** One actor's steps: each waits here until the explorer lets it through. */
export class Turnstile {
  #waiting: { readonly label: string; readonly open: () => void } | null = null;
  #freed = false;
  #listeners: (() => void)[] = [];

  /** What waits; null when nothing does. */
  get held(): string | null {
    return this.#waiting?.label ?? null;
  }

  /** Waits until the step is let through. */
  pass(label: string): Promise<void> {
    if (this.#freed) return Promise.resolve();
    if (this.#waiting !== null) throw new Error(`${label} comes while ${this.#waiting.label} waits`);
    return new Promise((open) => {
      this.#waiting = { label, open };
      this.stir();
    });
  }

  /** Lets through what waits. */
  release(): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting?.open();
  }

  /** From now on nothing waits here. */
  free(): void {
    this.#freed = true;
    this.release();
  }

  /** Wakes whoever waits for news of this actor. */
  stir(): void {
    for (const wake of this.#listeners.splice(0)) wake();
  }

  /** Resolves with the next news, or after so many ms. */
  news(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#listeners.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }
}
