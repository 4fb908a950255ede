/** Runs tasks one after the other. One that fails does not hold up those behind it. */
export class TaskQueue {
  constructor() {
    this.last = Promise.resolve();
  }

  /** @returns a promise of what the task returns. */
  add(task) {
    const result = this.last.then(task);
    this.last = result.catch(() => {}); // whoever added the task learns of its error
    return result;
  }
}
