"""What the vendor's page documents, what we read into its silence, and the test that shows each."""

from tests.dialects.coverage_shape import Behaviour

COVERAGE = (
    # The attachment page (seed 003).
    Behaviour("documented", "The example requests and replies", "test_every_example_is_answered_as_printed"),
    Behaviour(
        "documented",
        "OAuth2 password flow at the realm's token URL",
        "test_a_password_buys_a_session_and_a_way_to_renew_it",
    ),
    Behaviour(
        "documented", "API key in the query parameter access-token", "test_a_token_may_be_in_the_header_or_in_the_query"
    ),
    Behaviour(
        "documented",
        "Project root folder /projects/{project_id}/",
        "test_a_project_and_an_office_come_with_their_folders",
    ),
    Behaviour(
        "documented",
        "Office folder /projects/{project_id}/offices/{office_name}/",
        "test_a_project_and_an_office_come_with_their_folders",
    ),
    Behaviour("documented", "attachment_id is the MD5 of the path", "test_an_attachment_id_is_the_md5_of_the_path"),
    Behaviour(
        "documented", "attachment_path is whole, at most 1024 characters", "test_a_path_has_at_most_1024_characters"
    ),
    Behaviour(
        "documented",
        "data tells mimetype, size, project_id and project_name",
        "test_metadata_tell_type_size_project_and_office",
    ),
    Behaviour("documented", "index: files and folders", "test_files_and_folders_come_in_one_list_by_path"),
    Behaviour("documented", "index: key and value", "test_a_key_and_its_value_are_a_whole_piece_of_the_metadata"),
    Behaviour(
        "documented",
        "index: searchText in file names",
        "test_search_text_is_a_part_of_the_last_segment_whatever_its_case",
    ),
    Behaviour("documented", "index: root_path", "test_root_path_takes_all_below_and_not_itself"),
    Behaviour("documented", "index: parent_path", "test_parent_path_takes_what_is_directly_inside"),
    Behaviour("documented", "index: per-page, default 100, at least 1", "test_a_page_has_a_hundred_unless_told"),
    Behaviour("documented", "index: page, default 1, at least 1", "test_pages_come_with_four_headers"),
    Behaviour(
        "documented",
        "index: sort by attachment_path, minus descends",
        "test_files_and_folders_come_in_one_list_by_path",
    ),
    Behaviour("documented", "index: four X-Pagination headers", "test_pages_come_with_four_headers"),
    Behaviour("documented", "view: by path or attachment_id", "test_an_attachment_id_is_the_md5_of_the_path"),
    Behaviour("documented", "view: the file stream by default", "test_the_bytes_come_unless_json_is_asked_for"),
    Behaviour("documented", "view: metadata for Accept: application/json", "test_json_is_the_metadata"),
    Behaviour("documented", "view: mode download (default) or inline", "test_mode_says_how_a_browser_takes_it"),
    Behaviour("documented", "view: Attachment not found", "test_an_id_that_nothing_has_is_not_found"),
    Behaviour("documented", "upload: id is the destination folder", "test_a_file_comes_into_the_folder_of_the_url"),
    Behaviour(
        "documented",
        "upload: path is the file name, required",
        "test_a_form_that_cannot_be_is_a_bad_request_and_leaves_nothing",
    ),
    Behaviour("documented", "upload: without file a folder is created", "test_without_a_file_a_folder_is_made"),
    Behaviour(
        "documented",
        "upload: replace 1 overwrites",
        "test_a_file_that_is_there_is_in_the_way_unless_it_is_to_be_replaced",
    ),
    Behaviour(
        "documented",
        "upload: replace is ignored for a folder",
        "test_a_folder_that_is_there_is_in_the_way_whatever_is_said",
    ),
    Behaviour("documented", "upload: not linked to any entity", "test_an_upload_links_nothing"),
    Behaviour("documented", "upload: Bad request", "test_a_folder_that_cannot_be_is_a_bad_request"),
    Behaviour(
        "documented",
        "upload: Destination path already exists",
        "test_a_file_that_is_there_is_in_the_way_unless_it_is_to_be_replaced",
    ),
    Behaviour("documented", "upload: File size is too large", "test_a_file_that_is_too_large_leaves_nothing"),
    Behaviour(
        "documented", "upload: Failed to create for unknown reason", "test_a_fault_of_the_server_says_nothing_of_itself"
    ),
    Behaviour("documented", "update: rename or move a file", "test_a_file_gets_a_new_name_and_a_new_id"),
    Behaviour(
        "documented", "update: rename or move a folder", "test_a_folder_takes_everything_below_along_with_new_ids"
    ),
    Behaviour("documented", "update: the id changes with the path", "test_a_file_gets_a_new_name_and_a_new_id"),
    Behaviour("documented", "update: Bad request", "test_a_target_that_cannot_be_is_a_bad_request"),
    Behaviour("documented", "update: Attachment not found", "test_a_source_that_is_not_there_is_not_found"),
    Behaviour("documented", "update: Destination path already exists", "test_what_is_there_is_in_the_way"),
    Behaviour(
        "documented", "update: Unable to rename file or folder", "test_a_fault_of_the_server_says_nothing_of_itself"
    ),
    Behaviour(
        "documented",
        "delete: force=false lists linked entities",
        "test_without_force_what_is_linked_is_shown_and_nothing_deleted",
    ),
    Behaviour(
        "documented", "delete: force=true removes file and links", "test_with_force_the_file_and_its_links_are_gone"
    ),
    Behaviour(
        "documented", "delete: a file or a folder", "test_a_folder_shows_the_links_of_all_below_and_goes_with_them"
    ),
    # Its neighbours (contract, tags D and O).
    Behaviour("documented", "401 without credentials", "test_without_a_token_that_is_known_nothing_is_answered"),
    Behaviour("documented", "EntityAttachment: fields and create", "test_a_link_is_made_found_viewed_and_removed"),
    Behaviour("documented", "EntityAttachment: the id is optional on create", "test_the_caller_may_name_the_link"),
    Behaviour("documented", "EntityAttachment: any entity, no type field", "test_entities_of_every_kind_take_links"),
    Behaviour(
        "documented", "EntityAttachment: entity_id required on index", "test_a_list_needs_its_entity_wherever_it_stands"
    ),
    Behaviour("documented", "EntityAttachment: filter, sort, pages", "test_a_list_is_filtered_sorted_and_paged"),
    Behaviour("documented", "EntityAttachment: view", "test_a_link_is_made_found_viewed_and_removed"),
    Behaviour(
        "documented",
        "Project index is limited to reachable projects",
        "test_a_caller_of_one_project_sees_its_paths_and_no_others",
    ),
    Behaviour("documented", "Other indexes take filter, sort and pages", "test_lists_are_sorted_and_paged"),
    Behaviour("documented", "action_type is fixed after creation", "test_some_fields_never_change"),
    Behaviour(
        "documented",
        "Records: required fields and lengths",
        "test_what_is_missing_or_of_another_type_is_said_for_each_field",
    ),
    # Readings (contract, sections 2 to 6; section 6 of the design).
    Behaviour(
        "reading", "One token table behind header and query", "test_a_token_may_be_in_the_header_or_in_the_query"
    ),
    Behaviour(
        "reading",
        "Replies to a token in the query are never stored",
        "test_a_token_may_be_in_the_header_or_in_the_query",
    ),
    Behaviour("reading", "A token in the query is never logged", "test_a_token_in_the_query_is_never_logged"),
    Behaviour("reading", "Any client_id", "test_the_client_id_does_not_matter"),
    Behaviour("reading", "Tokens live 300 seconds, configurable", "test_lifetimes_are_a_choice"),
    Behaviour("reading", "Refresh grant, used up once", "test_a_password_buys_a_session_and_a_way_to_renew_it"),
    Behaviour("reading", "Keycloak's errors", "test_what_buys_nothing_says_why"),
    Behaviour("reading", "Guessing is limited", "test_guessing_is_stopped_by_name_and_by_address"),
    Behaviour(
        "reading", "Elsewhere than in reachable projects 403", "test_elsewhere_it_is_forbidden_and_nothing_changes"
    ),
    Behaviour("reading", "Another account's things are not found", "test_another_accounts_things_are_not_there"),
    Behaviour("reading", "Yii's error object", "test_every_failure_has_this_apis_own_shape"),
    Behaviour("reading", "422 lists fields for links and records", "test_fields_that_are_wrong_are_listed"),
    Behaviour("reading", "Bodies may be empty on index", "test_a_search_without_a_body_finds_everything"),
    Behaviour(
        "reading",
        "Forms and GET with a query, as in the vendor's samples",
        "test_the_id_may_be_in_the_query_and_the_body_a_form",
    ),
    Behaviour("reading", "Criteria combine with AND", "test_all_criteria_hold_together"),
    Behaviour("reading", "key without value is ignored", "test_a_key_without_its_value_is_as_if_it_were_not_there"),
    Behaviour("reading", "root_path excludes the root itself", "test_root_path_takes_all_below_and_not_itself"),
    Behaviour("reading", "A page beyond the last clamps", "test_a_page_beyond_the_last_is_the_last"),
    Behaviour("reading", "A cap on per-page of our own", "test_a_page_has_at_most_what_the_operator_allows"),
    Behaviour(
        "reading", "Values below the minimum and unknown sorts are 400", "test_a_search_that_cannot_be_is_a_bad_request"
    ),
    Behaviour("reading", "size is a string of digits", "test_json_is_the_metadata"),
    Behaviour(
        "reading", "Folders have mimetype directory and no size", "test_metadata_tell_type_size_project_and_office"
    ),
    Behaviour(
        "reading",
        "Paths raw or escaped, with or without outer slashes",
        "test_a_path_may_be_raw_or_escaped_with_or_without_its_first_slash",
    ),
    Behaviour("reading", "Escapes are decoded once", "test_an_escape_is_taken_apart_once"),
    Behaviour("reading", "The id as ?id=", "test_the_id_may_be_in_the_query"),
    Behaviour(
        "reading",
        "32 hex digits without a slash are an id",
        "test_a_name_that_looks_like_an_id_is_told_apart_by_its_slash",
    ),
    Behaviour("reading", "Names that are words of routes", "test_names_that_are_words_of_routes_stay_names"),
    Behaviour("reading", "Accept: JSON only when ranked highest", "test_json_must_rank_above_all_else"),
    Behaviour(
        "reading", "Content-Disposition, Content-Type, Content-Length", "test_the_bytes_come_unless_json_is_asked_for"
    ),
    Behaviour("reading", "The bytes of a folder are 400", "test_a_folder_has_metadata_and_no_bytes"),
    Behaviour("reading", "Another mode is 400", "test_another_mode_is_a_bad_request"),
    Behaviour("reading", "Ranges and conditions", "test_a_part_of_the_bytes_and_a_copy_that_is_still_good"),
    Behaviour("reading", "201 on create", "test_a_file_comes_into_the_folder_of_the_url"),
    Behaviour("reading", "multipart, or JSON and forms for folders", "test_without_a_file_a_folder_is_made"),
    Behaviour(
        "reading",
        "A path with a slash is 400 in the documented form",
        "test_a_form_that_cannot_be_is_a_bad_request_and_leaves_nothing",
    ),
    Behaviour("reading", "The alias create with a whole path", "test_create_takes_the_whole_path"),
    Behaviour("reading", "Missing folders are made", "test_missing_folders_are_made"),
    Behaviour("reading", "An unknown project is 400", "test_a_folder_that_cannot_be_written_to_is_a_bad_request"),
    Behaviour("reading", "An empty file part is a file", "test_an_empty_file_is_a_file"),
    Behaviour("reading", "Replacing keeps the links", "test_a_replaced_file_keeps_its_links"),
    Behaviour("reading", "One winner of a race", "test_of_thirty_uploads_to_one_path_exactly_one_wins"),
    Behaviour(
        "reading", "The type from the bytes, the part, the name", "test_the_type_is_what_the_bytes_say_or_else_the_part"
    ),
    Behaviour("reading", "Links follow a move and keep their ids", "test_links_follow_and_keep_their_ids"),
    Behaviour("reading", "A folder into itself is 400", "test_a_folder_cannot_move_into_itself"),
    Behaviour("reading", "The path that it has is 409", "test_the_path_that_it_has_is_in_the_way_too"),
    Behaviour(
        "reading",
        "Preview is 400 with an array of links",
        "test_without_force_what_is_linked_is_shown_and_nothing_deleted",
    ),
    Behaviour(
        "reading", "Without force never a deletion", "test_without_force_nothing_is_deleted_even_if_nothing_is_linked"
    ),
    Behaviour(
        "reading", "The other reading is one switch", "test_the_operator_may_choose_that_unlinked_files_go_at_once"
    ),
    Behaviour("reading", "204 on deletion; unknown is 404", "test_with_force_the_file_and_its_links_are_gone"),
    Behaviour("reading", "force is true, false, 1 or 0", "test_a_bad_force_or_id_changes_nothing"),
    Behaviour("reading", "Links: unknown file or entity, twins are 422", "test_a_link_that_cannot_be_says_which_field"),
    Behaviour("reading", "Links: the path wins over the id", "test_the_path_wins_over_an_id_that_disagrees"),
    Behaviour(
        "reading", "Links: entity types in a fixed order", "test_an_id_of_two_records_means_the_first_in_a_fixed_order"
    ),
    Behaviour("reading", "Links: update", "test_a_link_moves_to_another_entity_or_file_and_keeps_its_id"),
    Behaviour("reading", "Deleting an entity removes its links", "test_a_deleted_entity_takes_its_links_along"),
    Behaviour(
        "reading",
        "Filters: a part of text, the whole of all else",
        "test_text_is_filtered_by_a_part_and_all_else_by_the_whole",
    ),
    Behaviour("reading", "history changes nothing", "test_history_is_taken_and_changes_nothing"),
    Behaviour(
        "reading", "A record below stands in the way without force", "test_records_below_stand_in_the_way_unless_forced"
    ),
    Behaviour("reading", "A renamed office takes its folder along", "test_a_renamed_office_takes_its_folder_along"),
    Behaviour("reading", "The smallest run from end to end", "test_the_smallest_run_from_end_to_end"),
)
