// Follows streams with any EventSource, each until it is closed for good, or `once`: until its first connection ends.
// One that fails again and again is given up.
const ENOUGH = 20

export function follow(EventSource, { urls, names, once }) {
  const one = (url) =>
    new Promise((resolve) => {
      const events = []
      let errors = 0
      const source = new EventSource(url)
      for (const name of names) {
        source.addEventListener(name, (event) => events.push([event.type, event.data, event.lastEventId]))
      }
      source.addEventListener('error', () => {
        errors += 1
        if (!once && source.readyState !== EventSource.CLOSED && errors < ENOUGH) return
        source.close()
        resolve(events)
      })
    })
  return Promise.all(urls.map(one))
}
