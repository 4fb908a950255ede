/** What was asked for lately, each once: kept as promises, and asked again after an error. */
export class Recent {
  /** @param ask - gives a promise of the value of a key. */
  constructor(ask, most = 32) {
    Object.assign(this, { ask, most });
    this.kept = new Map();
  }

  get(key, ...more) {
    const known = this.kept.get(key);
    this.kept.delete(key);
    const value = known ?? this.ask(key, ...more);
    this.kept.set(key, value);
    if (!known) value.catch(() => this.kept.get(key) === value && this.kept.delete(key));
    if (this.kept.size > this.most) this.kept.delete(this.kept.keys().next().value);
    return value;
  }
}
