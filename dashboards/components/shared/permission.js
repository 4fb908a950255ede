import { make, setVisible } from "./dom.js";

/** What a visitor's role allows. Where it does not, controls are off, and they and their keys say why. */
export class Permission {
  constructor(status) {
    this.status = status;
    this.because = null;
    this.controls = new Set();
    this.element = make("span", { class: "refusal", role: "note" });
    this.show();
  }

  /** @param because - why the server would refuse; null where it does not. */
  update(because) {
    this.because = because ?? null;
    this.show();
  }

  /** Has a control go by what the role allows. */
  guard(control) {
    this.controls.add(control);
    control.disabled = Boolean(this.because);
    return control;
  }

  /** Whether it may be done. */
  isGiven() {
    if (this.because) this.status.showError(this.because);
    return !this.because;
  }

  show() {
    for (const control of this.controls) control.disabled = Boolean(this.because);
    this.element.textContent = this.because ?? "";
    setVisible(this.element, Boolean(this.because));
  }
}
