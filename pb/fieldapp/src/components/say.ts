/** A short word that goes away by itself; a newer one takes its place. */
export function say(words: string): void {
  document.querySelector('.said')?.remove()
  const at = document.createElement('div')
  at.className = 'said'
  at.setAttribute('role', 'status')
  at.textContent = words
  document.body.append(at)
  setTimeout(() => at.remove(), 2500)
}

/** Without `no` there is nothing to choose: it is told, and the one button closes it. `danger`: saying yes destroys something. */
export interface Question { title: string; message: string; yes: string; no?: string; danger?: boolean }

let asked: Promise<boolean> | undefined

/** Asks over everything else; false for no, for Escape and for the phone's back key. One question at a time: who asks while one stands gets its answer. */
export function ask(q: Question): Promise<boolean> {
  return asked ??= new Promise<boolean>(answer => {
    const box = document.createElement('dialog')
    const button = (words: string, kind: string, value: boolean) => {
      const b = document.createElement('button')
      b.type = 'button'
      b.className = `button ${kind}`
      b.textContent = words
      b.onclick = () => end(value)
      return b
    }
    function end(value: boolean) {
      removeEventListener('popstate', back)
      box.remove()
      answer(value)
    }
    const back = () => end(false)
    const [title, message, buttons] = ['h2', 'p', 'div'].map(tag => document.createElement(tag))
    title!.textContent = q.title
    message!.textContent = q.message
    buttons!.append(...q.no ? [button(q.no, '', false)] : [], button(q.yes, q.danger ? 'primary danger-fill' : 'primary', true))
    box.className = 'ask'
    box.append(title!, message!, buttons!)
    box.oncancel = back
    document.body.append(box)
    addEventListener('popstate', back)
    // A browser from before 2022 has no such element: its own question serves.
    if (box.showModal) box.showModal()
    else end(q.no ? confirm(`${q.title}\n${q.message}`) : (alert(q.message), true))
  }).finally(() => { asked = undefined })
}
