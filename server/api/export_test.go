package api

// Routes are all operations: method, path, name and right.
func Routes() []string {
	all := []string{"GET " + documentPath + " " + documentName + " "}
	for _, r := range routes {
		all = append(all, r.method+" "+r.path+" "+r.name+" "+string(r.right))
	}
	return all
}
