// Package chromium opens pages in Chromium, for tests: one browser for all tests of a package, and for each tab a profile of its own, which
// ends with its test. node.Run ends it:
//
//	func TestMain(m *testing.M) { os.Exit(node.Run(m)) }
//
//	ann := chromium.Open(t, "ann", server.Addr, "/chat/")
//	ann.Fill("#text", "hello")
//	ann.Press("Enter")
//	ann.Shows("#log", "hello")
//
// A browser that crashes fails every test that has a tab then or opens one afterwards. Whatever is waited for in a tab has a minute.
//
// Chromium spends more on a start (about two seconds of a processor) than on a tab (a third of one): hence one for all.
package chromium
